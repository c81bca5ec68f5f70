#include "runtime/rotations.h"

#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

TEST(RotationsTest, ASetByLength) {
  const Rotations none;
  EXPECT_EQ(none.set_of(5, 500), 0);
  const Rotations by_sequence = {.lengths = {10, 20}};
  EXPECT_EQ(by_sequence.set_of(1, 10), 0);
  EXPECT_EQ(by_sequence.set_of(1, 11), 1);
  EXPECT_EQ(by_sequence.set_of(1, 21), 2);
  const Rotations by_prompt = {.lengths = {10, 20}, .by_prompt = true};
  EXPECT_EQ(by_prompt.set_of(10, 500), 0);
  EXPECT_EQ(by_prompt.set_of(20, 500), 1);
  EXPECT_EQ(by_prompt.set_of(21, 500), 2);
}

TEST(RotationsTest, ReadsWhatThePlanSays) {
  Plan plan = tiny_engine()->plan;
  EXPECT_TRUE(read_rotations(plan).lengths.empty());
  const auto refused = [&](std::vector<std::string> parts) {
    expect_error([&] { read_rotations(plan); }, ErrorCode::kUnsupported, parts);
  };
  plan.metadata["rotation_lengths"] = "10,20";
  refused({"rotation_lengths", "'rotations'", "one of them"});
  PlanValue input;
  input.kind = PlanValue::Kind::kInput;
  input.name = kRotationsInput;
  input.type = {DType::kInt32, {Dim::symbol("tokens")}};
  plan.inputs.push_back(static_cast<int>(plan.values.size()));
  plan.values.push_back(input);
  refused({"rotation_by", "prompt or sequence", "''"});
  plan.metadata["rotation_by"] = "prompt";
  EXPECT_EQ(read_rotations(plan).lengths, (std::vector<int64_t>{10, 20}));
  EXPECT_TRUE(read_rotations(plan).by_prompt);
  plan.metadata["rotation_by"] = "sequence";
  EXPECT_FALSE(read_rotations(plan).by_prompt);
  for (const char* wrong :
       {"", "10,", "20,10", "0", "-1", "1e3", "10;20", "99999999999999999999"}) {
    plan.metadata["rotation_lengths"] = wrong;
    refused({"ascending lengths", wrong});
  }
  plan.metadata.erase("rotation_lengths");
  refused({"one of them"});
}

}  // namespace
}  // namespace ingot
