#include "loaders/safetensors.h"
#include "runtime/decoder_session.h"
#include "runtime/engine_runner.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

TEST(WhisperTest, GoldenCase) { check_golden("whisper"); }
TEST(WhisperTest, SmallCase) { check_golden("whisper-tiny"); }

TEST(WhisperTest, OtherTypes) {
  if (!has_golden("whisper")) return;
  check_run(golden_path("whisper"), {.dtype = DType::kFloat16});
  const ScratchDirectory dir;
  convert_model(open_model_source(golden_path("whisper")), {}, dir / "checkpoint");
  copy_answers("whisper", dir / "checkpoint");
  check_run(dir / "checkpoint", {.dtype = DType::kBFloat16});
}

std::shared_ptr<const Engine> whisper() {
  LoadOptions options;
  options.tune = false;
  options.build.dtype = DType::kFloat32;
  return build_engine(golden_path("whisper"), options, nullptr, nullptr);
}

TEST(WhisperTest, ItAnswersNoTextYet) {
  if (!has_golden("whisper")) return;
  RefusalList refused;
  examine_model(open_model_source(golden_path("whisper")), refused);
  ASSERT_EQ(refused.items().size(), 1u);
  EXPECT_EQ(refused.items()[0].where, "whisper");
  EXPECT_THAT(refused.items()[0].expected, HasSubstr("answers text"));
}

constexpr size_t kOfFrame = 2 * 80;  // features

// The first frames of an example, row by row.
std::vector<float> heard(int64_t example, size_t frames) {
  const auto file = SafetensorsFile::open(golden_path("whisper") + "/golden.safetensors");
  const WeightInfo& info = file->require("input_features");
  const auto* all = reinterpret_cast<const float*>(info.bytes.data());
  const auto columns = static_cast<size_t>(info.shape[1]),
             rows = static_cast<size_t>(info.shape[2]);
  std::vector<float> out;
  for (size_t r = 0; r < 2 * frames; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      out.push_back(all[(static_cast<size_t>(example) * columns + c) * rows + r]);
    }
  }
  return out;
}

TEST(WhisperTest, APlanSaysWhatItHears) {
  if (!has_golden("whisper")) return;
  const auto engine = whisper();
  const DecoderPlan plan = read_decoder_plan(engine->plan, EncoderUse::kFed);
  ASSERT_TRUE(plan.encoder);
  EXPECT_FALSE(plan.encodes);
  EXPECT_EQ(plan.max_seq_len, 64);
  EXPECT_EQ(plan.vocab_size, 512);
  EXPECT_EQ(plan.encoder->max_frames, 64);
  EXPECT_EQ(plan.encoder->feature_rows, 2);
  EXPECT_EQ(plan.encoder->feature_columns, 80);
  EXPECT_EQ(plan.encoder->columns, 128);
  EXPECT_EQ(plan.encoder->table.kind, KvKind::kCross);
  EXPECT_EQ(plan.encoder->table.states.size(), 4u);
  EXPECT_EQ(plan.tables.size(), 1u);
  EXPECT_EQ(plan.tables[0].states.size(), 4u);
}

TEST(WhisperTest, PlansThatLackAPartAreRefused) {
  if (!has_golden("whisper")) return;
  const auto engine = whisper();
  const auto refused = [&](const std::function<void(Plan&)>& change,
                           std::vector<std::string> parts) {
    Plan plan = engine->plan;
    change(plan);
    parts.push_back("plan 'whisper'");
    expect_error([&] { read_decoder_plan(plan, EncoderUse::kFed); }, ErrorCode::kUnsupported,
                 parts);
  };
  const auto named = [](Plan& plan, const char* name) -> PlanValue& {
    return plan.values[static_cast<size_t>(plan.find(name))];
  };
  for (const char* name : {"features", "frame_positions", "frame_rows", "frame_offsets",
                           "context_lengths.cross", "encoder_hidden"}) {
    refused([&](Plan& plan) { named(plan, name).name = "other"; }, {std::string("'") + name});
  }
  refused([&](Plan& plan) { named(plan, "block_tables.cross").name = "other"; },
          {"block_tables", "'cross'"});
  refused([](Plan& plan) { plan.limits.erase("frames"); }, {"no limit for 'frames'"});
  refused([&](Plan& plan) { named(plan, "features").type.shape[0] = Dim::symbol("frames") + 1; },
          {"features", "[frames * rows, columns]"});
  refused([&](Plan& plan) { named(plan, "encoder_hidden").type.element = DType::kBFloat16; },
          {"encoder_hidden", "float32", "bfloat16"});
  refused([](Plan& plan) { plan.groups[0].page_tokens = 16; }, {"pages of 16 tokens", "'kv'"});
}

TEST(WhisperTest, IsNotServed) {
  if (!has_golden("whisper")) return;
  const auto device = make_cpu_device(1);
  expect_error([&] { EngineRunner(whisper(), *device, {}); }, ErrorCode::kUnsupported,
               {"'whisper'", "audio features", "ingot conformance"});
}

TEST(WhisperTest, TokensAttendToWhatWasHeardLast) {
  if (!has_golden("whisper")) return;
  const auto device = make_cpu_device(1);
  DecoderSession session(whisper(), *device, 64, 16);
  const std::vector<int32_t> tokens = {3, 7, 9};
  const auto forward = [&] { return session.forward(tokens, true); };
  expect_error(forward, ErrorCode::kInvalidArgument, {"expected encode()"});
  EXPECT_EQ(session.encode(heard(0, 64)).size(), 64u * 128);
  const std::vector<float> first = forward();
  session.encode(heard(1, 64));
  EXPECT_NE(forward(), first);
  session.encode(heard(0, 64));
  EXPECT_EQ(forward(), first);
  session.reset();
  EXPECT_EQ(forward(), first) << "frames stay";
  // Fewer frames: the others must not be seen.
  session.encode(heard(0, 33));
  const std::vector<float> part = forward();
  EXPECT_NE(part, first);
  session.encode(heard(1, 64));
  session.encode(heard(0, 33));
  EXPECT_EQ(forward(), part);
  expect_error([&] { session.encode(std::vector<float>(kOfFrame + 80)); },
               ErrorCode::kInvalidArgument, {"1 to 64 frames of 160", "found 240"});
  expect_error([&] { session.encode(std::vector<float>(65 * kOfFrame)); },
               ErrorCode::kInvalidArgument, {"1 to 64 frames"});
  expect_error([&] { session.encode({}); }, ErrorCode::kInvalidArgument, {"found 0 features"});
}

// Origins of the steps that a run launches.
TEST(WhisperTest, StepsOfTheOtherHalfCostNothing) {
  if (!has_golden("whisper")) return;
  const auto device = make_cpu_device(1);
  const auto engine = whisper();
  std::vector<std::string> origins, ops;
  ExecutorOptions options;
  options.on_step = [&](const StepSeen& step) {
    const PlanStep& of = engine->plan.steps[step.index];
    origins.push_back(of.origin);
    ops.push_back(of.op);
  };
  DecoderSession session(engine, *device, 64, 16, options);
  session.encode(heard(0, 64));
  EXPECT_THAT(origins, Contains("encoder layer 1"));
  EXPECT_THAT(ops, Not(Contains("gather")));
  const auto attentions = [&] { return std::count(ops.begin(), ops.end(), "paged_attention"); };
  const auto appends = [&] { return std::count(ops.begin(), ops.end(), "kv_append"); };
  EXPECT_EQ(attentions(), 2) << "of the encoder alone";
  EXPECT_EQ(appends(), 4) << "its two, and two of cross attention";
  origins.clear();
  ops.clear();
  session.forward(std::vector<int32_t>{3, 7}, true);
  EXPECT_THAT(origins, Each(Not(HasSubstr("encoder"))));
  EXPECT_THAT(ops, Not(Contains("unfold_rows")));
  EXPECT_EQ(attentions(), 4) << "of tokens, and over frames";
  EXPECT_EQ(appends(), 2);
}

// One sequence decodes while another one's frames and first tokens come.
TEST(WhisperTest, FramesAndTokensShareAStep) {
  if (!has_golden("whisper")) return;
  const auto device = make_cpu_device(1);
  const auto engine = whisper();
  DecoderSession alone(engine, *device, 64, 16);
  const auto expected = [&](int64_t example, size_t frames, const std::vector<int32_t>& tokens) {
    alone.encode(heard(example, frames));
    return alone.forward(tokens, false);
  };
  const std::vector<float> first = expected(0, 64, {3, 7, 9}), second = expected(1, 40, {3, 11});

  const DecoderPlan plan = read_decoder_plan(engine->plan, EncoderUse::kFed);
  ExecutorOptions options;
  set_decoder_limits(plan,
                     {.tokens = 16,
                      .rows = 2,
                      .seq_len = 64,
                      .logit_rows = 16,
                      .pages = {4},
                      .frames = 64,
                      .cross_pages = 4},
                     options.limits);
  Executor executor(engine, *device, options);
  DecoderStep step(plan);
  const std::vector<PageId> pages[] = {{2, 0}, {3, 1}}, cross[] = {{3, 1}, {0, 2}};
  const auto row = [&](size_t r, std::vector<int32_t> tokens, int64_t position, int64_t kept,
                       const std::vector<float>& features) {
    step.add_row(tokens, position);
    step.add_pages(0, pages[r]);
    step.add_frames(features, kept, cross[r]);
  };
  const auto logits = [&](const std::vector<int32_t>& wanted) {
    for (int32_t token : wanted) step.want_logits(token);
    step.set(executor);
    executor.run();
    const TensorView all = executor.output("logits");
    std::vector<float> out(static_cast<size_t>(all.elements()));
    for (int64_t r = 0; r < all.rows(); ++r) {
      load_row(all, r, 0, all.columns(), out.data() + r * all.columns());
    }
    return out;
  };
  step.begin(2);
  row(0, {3, 7}, 0, 64, heard(0, 64));
  logits({});
  step.begin(2);
  row(0, {9}, 2, 64, {});
  row(1, {3, 11}, 0, 40, heard(1, 40));
  const std::vector<float> both = logits({0, 2});
  ASSERT_EQ(both.size(), 2u * 512);
  for (size_t i = 0; i < 512; ++i) {
    ASSERT_NEAR(both[i], first[i], 1e-4) << i;
    ASSERT_NEAR(both[512 + i], second[i], 1e-4) << i;
  }
}

// What generation will read is kept in checkpoints; a head of its own and fewer layers are built.
TEST(WhisperTest, OtherFiles) {
  if (!has_golden("whisper")) return;
  ModelSource source = open_model_source(golden_path("whisper"));
  source.config["suppress_tokens"] = {1, 2, 511};
  source.config["begin_suppress_tokens"] = {5};
  source.config["encoder_layers"] = 1;
  const ScratchDirectory dir;
  convert_model(source, {}, dir / "checkpoint");
  const ModelSource checkpoint = open_model_source(dir / "checkpoint");
  expect_same_weights(source, checkpoint);
  EXPECT_EQ(checkpoint.config["suppress_tokens"], Json({1, 2, 511}));
  EXPECT_EQ(checkpoint.config["begin_suppress_tokens"], Json({5}));
  EXPECT_EQ(checkpoint.config["decoder_start_token_id"], 3);
  EXPECT_EQ(checkpoint.config["num_hidden_layers"], 2);
  EXPECT_EQ(checkpoint.config["encoder_num_hidden_layers"], 1);

  HfVariant v("whisper");
  v.tensors["proj_out.weight"] = v.tensors.at("model.decoder.embed_tokens.weight");
  v.config["tie_word_embeddings"] = false;
  v.check();
}

TEST(WhisperTest, GgufIsRefused) {
  if (!has_golden("whisper")) return;
  const ScratchDirectory dir;
  write_gguf_of(open_model_source(golden_path("whisper")), dir / "model.gguf", "whisper");
  expect_error([&] { build_model(open_model_source(dir / "model.gguf"), {}); },
               ErrorCode::kUnsupported, {"model.gguf", "general.architecture", "whisper"});
}

TEST(WhisperTest, ConfigFaultsAreNamed) {
  if (!has_golden("whisper")) return;
  const auto corrupt = ErrorCode::kCorrupt, unsupported = ErrorCode::kUnsupported;
  check_config_faults(
      "whisper",
      {{"d_model", nullptr, corrupt, {"config.json", "'d_model' is missing"}},
       {"decoder_layers", nullptr, corrupt, {"config.json", "'decoder_layers' is missing"}},
       {"encoder_layers", 3, ErrorCode::kNotFound, {"encoder.layers.2.self_attn.q_proj.weight"}},
       {"decoder_layers", 3, ErrorCode::kNotFound, {"decoder.layers.2.self_attn.q_proj.weight"}},
       {"decoder_attention_heads", 3, corrupt, {"decoder_attention_heads", "a divisor of 128"}},
       {"encoder_attention_heads", 4, unsupported, {"encoder_attention_heads", "expected 2"}},
       {"num_mel_bins", 128, corrupt, {"conv1.weight", "80", "128"}},
       {"max_source_positions", 1500, corrupt, {"embed_positions.weight", "1500"}},
       {"max_target_positions", 448, corrupt, {"embed_positions.weight", "448"}},
       {"activation_function", "sine", unsupported, {"activation_function", "sine"}},
       {"scale_embedding", true, unsupported, {"scale_embedding", "false"}},
       {"is_encoder_decoder", false, unsupported, {"is_encoder_decoder", "true"}},
       {"suppress_tokens", {1, -1}, corrupt, {"suppress_tokens", "-1"}},
       {"begin_suppress_tokens", 220, corrupt, {"begin_suppress_tokens"}},
       {"decoder_start_token_id", 512, corrupt, {"decoder_start_token_id", "512"}},
       {"tie_word_embeddings", false, ErrorCode::kNotFound, {"proj_out.weight"}}});
}

}  // namespace
}  // namespace ingot
