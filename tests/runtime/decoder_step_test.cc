#include "runtime/decoder_step.h"

#include "tensor/device.h"
#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace {

Plan tiny_plan() { return tiny_engine()->plan; }

PlanValue& value_named(Plan& plan, std::string_view name) {
  return plan.values[static_cast<size_t>(plan.find(name))];
}

void expect_refused(const Plan& plan, std::vector<std::string> parts) {
  parts.push_back("plan 'forward'");
  expect_error([&] { read_decoder_plan(plan); }, ErrorCode::kUnsupported, parts);
}

TEST(DecoderStepTest, ReadsWhatThePlanSays) {
  Plan plan = tiny_plan();
  EXPECT_TRUE(is_decoder_plan(plan));
  const DecoderPlan decoder = read_decoder_plan(plan);
  EXPECT_EQ(decoder.vocab_size, kTinyVocab);
  EXPECT_EQ(decoder.page_tokens, 32);
  EXPECT_EQ(decoder.max_seq_len, 256);
  EXPECT_EQ(decoder.trained_len, 0);
  ASSERT_EQ(decoder.tables.size(), 1u);
  EXPECT_EQ(decoder.tables[0].name, "kv");
  EXPECT_EQ(decoder.tables[0].input, "block_tables");
  EXPECT_EQ(decoder.tables[0].kind, KvKind::kPaged);
  EXPECT_EQ(decoder.tables[0].states, (std::vector<std::string>{"k", "v"}));
  plan.metadata["max_position_embeddings"] = "100";
  EXPECT_EQ(read_decoder_plan(plan).max_seq_len, 100);
  EXPECT_EQ(read_decoder_plan(plan).trained_len, 100);
  EXPECT_TRUE(read_decoder_plan(plan).rotations.lengths.empty());
}

TEST(DecoderStepTest, ATableHasTheSetsOfRotations) {
  Plan plan = tiny_plan();
  PlanValue input = value_named(plan, "positions");
  input.name = kRotationsInput;
  plan.inputs.push_back(static_cast<int>(plan.values.size()));
  plan.values.push_back(input);
  plan.metadata["rotation_lengths"] = "10,20";
  plan.metadata["rotation_by"] = "prompt";
  expect_refused(plan, {"rotations: no table"});
  PlanStep pick;
  pick.op = "embedding";
  pick.inputs = {plan.inputs.back(), plan.find("embed")};
  plan.steps.push_back(pick);
  expect_refused(plan, {"expected 3 sets", "found 97"});
  // By token there is one for each length that a sequence may have.
  plan.metadata["rotation_by"] = "token";
  plan.metadata["rotation_lengths"] = "10";
  expect_refused(plan, {"no max_position_embeddings"});
  plan.metadata["max_position_embeddings"] = "100";
  expect_refused(plan, {"expected 91 sets", "found 97"});
  plan.metadata["rotation_lengths"] = "4";
  EXPECT_EQ(read_decoder_plan(plan).rotations.by, Rotations::By::kToken);
}

TEST(DecoderStepTest, RefusesByName) {
  Plan plan = tiny_plan();
  plan.groups[0].kind = "fixed";
  expect_refused(plan, {"state group 'kv'", "expected paged or windowed", "fixed"});
  plan.groups[0].kind = "cross";
  expect_refused(plan, {"audio features (state group 'kv'", "not served yet"});
  expect_error([&] { read_decoder_plan(plan, EncoderUse::kFed); }, ErrorCode::kUnsupported,
               {"no input 'features'"});
  plan.groups[0].kind = "windowed";  // without a window
  expect_refused(plan, {"state group 'kv'", "window", "found 0"});
  plan.groups[0].window = 40;  // and the attention has none
  expect_refused(plan, {"'kv' keeps 40 positions", "all of them"});
  plan = tiny_plan();
  plan.groups.clear();
  expect_refused(plan, {"no paged state group"});
  plan = tiny_plan();
  value_named(plan, "v").group = "other";
  expect_refused(plan, {"state 'v'", "'other'"});
  plan = tiny_plan();
  plan.groups[0].page_tokens = 16;
  expect_refused(plan, {"state 'k' of group 'kv'", "[pages, heads, 16, dim]"});
  plan = tiny_plan();
  value_named(plan, "positions").name = "places";
  expect_refused(plan, {"'positions'"});
  plan = tiny_plan();
  value_named(plan, "block_tables").name = "tables";
  expect_refused(plan, {"'block_tables'", "'kv'"});
  plan = tiny_plan();
  value_named(plan, "logits").type.element = DType::kBFloat16;
  expect_refused(plan, {"logits: expected float32"});
  plan = tiny_plan();
  plan.limits.erase("max_blocks");
  expect_refused(plan, {"'max_blocks'"});
  plan.limits["max_blocks"] = int64_t{1} << 61;
  expect_refused(plan, {"pages of 32 tokens"});
  plan = tiny_plan();
  value_named(plan, "logits").name = "scores";
  EXPECT_FALSE(is_decoder_plan(plan));
  expect_refused(plan, {"no output 'logits'"});
}

// Names that exported networks often have.
TEST(DecoderStepTest, ANetworkIsNone) {
  for (const char* output : {"hidden", "logits"}) {
    TinyPlanWriter w;
    const int ids = w.input("token_ids", {Dim::symbol("tokens")});
    w.input("positions", {Dim::symbol("tokens")});
    const int table = w.weight("embed", {kTinyVocab, kTinyDim});
    const int out = w.step("embedding", {{"dtype", std::string("float32")}}, {ids, table})[0];
    w.plan.values[static_cast<size_t>(out)].name = output;
    w.plan.outputs = {out};
    EXPECT_FALSE(is_decoder_plan(w.plan));
  }
}

// An input that nothing would fill.
TEST(DecoderStepTest, RefusesInputsThatItDoesNotKnow) {
  Plan plan = tiny_plan();
  PlanValue more = value_named(plan, "positions");
  more.name = "encoder_states";
  plan.values.push_back(more);
  plan.inputs.push_back(static_cast<int>(plan.values.size()) - 1);
  expect_refused(plan, {"input 'encoder_states'"});
}

TEST(DecoderStepTest, PacksRows) {
  const auto device = make_cpu_device(1);
  const auto engine = tiny_engine();
  const DecoderPlan decoder = read_decoder_plan(engine->plan);
  ExecutorOptions options;
  options.selection.reference = true;
  DecoderSizes sizes{16, 2, 96, 4, {6}};
  set_decoder_limits(decoder, sizes, options.limits);
  EXPECT_EQ(options.limits["max_blocks"], 3);
  EXPECT_EQ(options.limits["kv_pages"], 6);
  Executor executor(engine, *device, options);
  DecoderStep step(decoder);
  const auto ints_of = [&](const char* name, size_t count) {
    const auto* data = reinterpret_cast<const int32_t*>(executor.input_storage(name).data);
    return std::vector<int32_t>(data, data + count);
  };
  const std::vector<int32_t> first = {3, 4, 5}, second = {9};
  const std::vector<PageId> long_table = {kNoPage, 4}, short_table = {2};
  for (int round = 0; round < 2; ++round) {  // nothing of the step before is left
    step.begin(2);
    step.add_row(first, 31);
    step.add_pages(0, long_table);
    step.add_row(second, 0);
    step.add_pages(0, short_table);
    step.want_logits(3);
    EXPECT_EQ(step.tokens(), 4);
    step.set(executor);
    using Ints = std::vector<int32_t>;
    EXPECT_EQ(ints_of("token_ids", 4), (Ints{3, 4, 5, 9}));
    EXPECT_EQ(ints_of("positions", 4), (Ints{31, 32, 33, 0}));
    EXPECT_EQ(ints_of("token_rows", 4), (Ints{0, 0, 0, 1}));
    EXPECT_EQ(ints_of("query_offsets", 3), (Ints{0, 3, 4}));
    EXPECT_EQ(ints_of("context_lengths", 2), (Ints{34, 1}));
    EXPECT_EQ(ints_of("block_tables", 4), (Ints{0, 4, 2, 0}));
    EXPECT_EQ(ints_of("logit_rows", 1), (Ints{3}));
  }
  EXPECT_NO_THROW(executor.run());
  EXPECT_EQ(executor.output("logits").shape, (Shape{1, kTinyVocab}));
}

}  // namespace
}  // namespace ingot
