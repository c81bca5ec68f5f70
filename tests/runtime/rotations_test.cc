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
  const Rotations by_prompt = {.lengths = {10, 20}, .by = Rotations::By::kPrompt};
  EXPECT_EQ(by_prompt.set_of(10, 500), 0);
  EXPECT_EQ(by_prompt.set_of(20, 500), 1);
  EXPECT_EQ(by_prompt.set_of(21, 500), 2);
  EXPECT_EQ(by_prompt.set_at(1, 400), 1) << "the sequence's";
}

TEST(RotationsTest, ASetByToken) {
  const Rotations r = {.lengths = {10}, .by = Rotations::By::kToken};
  EXPECT_EQ(r.set_of(10, 500), 0);
  EXPECT_EQ(r.set_of(13, 500), 3);
  // All of a prompt have that of its length, a token after it that of the length up to itself.
  for (const auto& [position, set] : {std::pair(0, 3), {12, 3}, {13, 4}, {20, 11}}) {
    EXPECT_EQ(r.set_at(r.set_of(13, 500), position), set) << position;
  }
  for (const auto& [position, set] : {std::pair(0, 0), {9, 0}, {10, 1}, {12, 3}}) {
    EXPECT_EQ(r.set_at(r.set_of(4, 500), position), set) << position;
  }
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
  refused({"rotation_by", "prompt, sequence or token", "''"});
  plan.metadata["rotation_by"] = "prompt";
  EXPECT_EQ(read_rotations(plan).lengths, (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(read_rotations(plan).by, Rotations::By::kPrompt);
  plan.metadata["rotation_by"] = "sequence";
  EXPECT_EQ(read_rotations(plan).by, Rotations::By::kSequence);
  plan.metadata["rotation_by"] = "token";
  refused({"by token", "one length", "10,20"});
  plan.metadata["rotation_lengths"] = "10";
  EXPECT_EQ(read_rotations(plan).by, Rotations::By::kToken);
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
