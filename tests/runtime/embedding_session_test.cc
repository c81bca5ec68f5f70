#include "runtime/embedding_session.h"

#include <cmath>

#include "tests/loaders/test_files.h"
#include "tests/runtime/tiny_engine.h"

namespace ingot {
namespace embedding_session_test {

// The tiny model, its logits called hidden states.
std::shared_ptr<Engine> tiny_encoder(const std::vector<TinyLayer>& layers = {{}}) {
  auto out = std::make_shared<Engine>(*tiny_engine(layers));
  out->plan.values[static_cast<size_t>(out->plan.find("logits"))].name = "hidden";
  return out;
}

std::vector<std::vector<int32_t>> sequences() {
  std::vector<std::vector<int32_t>> out;
  for (const size_t length : {1u, 40u, 7u, 32u, 33u}) {
    out.emplace_back(length);
    for (size_t i = 0; i < length; ++i) {
      out.back()[i] = static_cast<int32_t>((i * 31 + length) % kTinyVocab);
    }
  }
  return out;
}

using Vectors = std::vector<std::vector<float>>;

Vectors embed(EmbeddingSession& session, const std::vector<std::vector<int32_t>>& texts) {
  const std::vector<std::span<const int32_t>> spans(texts.begin(), texts.end());
  return session.embed(spans);
}

EmbeddingOptions options(int64_t sequences = 8) {
  EmbeddingOptions out;
  out.reference = true;
  out.sequences = sequences;
  out.step_tokens = 128;
  out.context = 64;
  return out;
}

// Windowed layers have pages of their own.
TEST(EmbeddingSession, ABatchIsEachAlone) {
  const auto device = make_cpu_device(1);
  TinyLayer window;
  window.window = window.group_window = 8;
  window.group = "window";
  window.kind = "windowed";
  window.table = "block_tables.window";
  window.pages = "window_pages";
  for (const auto& engine : {tiny_encoder(), tiny_encoder({{}, window})}) {
    for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
      EmbeddingRules rules;
      rules.pooling = pooling;
      EmbeddingSession session(engine, rules, *device, options());
      const Vectors together = embed(session, sequences());
      ASSERT_EQ(together.size(), 5u);
      for (size_t i = 0; i < together.size(); ++i) {
        const Vectors alone = embed(session, {sequences()[i]});
        ASSERT_EQ(alone[0].size(), static_cast<size_t>(kTinyVocab));
        double squares = 0;
        for (size_t c = 0; c < alone[0].size(); ++c) {
          EXPECT_NEAR(alone[0][c], together[i][c], 1e-5);
          squares += static_cast<double>(alone[0][c]) * static_cast<double>(alone[0][c]);
        }
        EXPECT_NEAR(squares, 1, 1e-5);
      }
    }
  }
}

TEST(EmbeddingSession, PoolingIsOfTheHiddenStates) {
  const auto device = make_cpu_device(1);
  EmbeddingRules rules;
  rules.normalize = false;
  const std::vector<int32_t> ids = {3, 1, 4, 1, 5};
  const auto pooled = [&](Pooling pooling, const std::vector<int32_t>& of) {
    rules.pooling = pooling;
    EmbeddingSession session(tiny_encoder(), rules, *device, options());
    return embed(session, {of})[0];
  };
  // The attention is causal: what comes behind changes nothing.
  EXPECT_EQ(pooled(Pooling::kFirst, ids), pooled(Pooling::kLast, {3}));
  std::vector<double> sums(static_cast<size_t>(kTinyVocab));
  for (size_t n = 1; n <= ids.size(); ++n) {
    const auto last =
        pooled(Pooling::kLast, {ids.begin(), ids.begin() + static_cast<ptrdiff_t>(n)});
    for (size_t c = 0; c < sums.size(); ++c) sums[c] += static_cast<double>(last[c]);
  }
  const auto mean = pooled(Pooling::kMean, ids);
  for (size_t c = 0; c < sums.size(); ++c) EXPECT_NEAR(mean[c], sums[c] / 5, 1e-5);
}

TEST(EmbeddingSession, Limits) {
  const auto device = make_cpu_device(1);
  EmbeddingRules rules;
  const auto limits = [&](EmbeddingOptions wanted) {
    wanted.reference = true;
    return EmbeddingSession(tiny_encoder(), rules, *device, wanted).limits();
  };
  EmbeddingLimits found = limits({});
  EXPECT_EQ(found.vocab_size, kTinyVocab);
  EXPECT_EQ(found.columns, kTinyVocab);
  EXPECT_EQ(found.max_tokens, 8 * 32) << "of the engine: blocks";
  EXPECT_EQ(found.step_tokens, 8 * 32) << "a whole text";
  EXPECT_EQ(found.rows, 8);
  rules.max_tokens = 40;
  found = limits({});
  EXPECT_EQ(found.max_tokens, 40);
  EXPECT_EQ(found.step_tokens, 64) << "as the engine says";
  EXPECT_EQ(limits({.context = 20}).max_tokens, 20);
  EXPECT_EQ(limits({.step_tokens = 24}).max_tokens, 24) << "who bounds a step bounds a text";
  found = limits({.context = 30, .step_tokens = 24});
  EXPECT_EQ(found.max_tokens, 30);
  EXPECT_EQ(found.step_tokens, 30);
}

TEST(EmbeddingSession, MemoryIsWhatTheSessionTakes) {
  const auto device = make_cpu_device(1);
  const auto engine = tiny_encoder();
  const EmbeddingRules rules;
  const SessionMemory memory = embedding_memory(*engine, rules, options(), *device);
  EmbeddingSession session(engine, rules, *device, options());
  const Executor::MemoryUse use = session.executor().memory();
  EXPECT_EQ(memory.kv, use.states);
  EXPECT_GE(memory.activations, use.arena);
  EXPECT_EQ(memory.context, 64);
  EXPECT_EQ(memory.step_tokens, 128);
}

TEST(EmbeddingSession, IdsThatTheModelLacksAreNamed) {
  const EmbeddingLimits limits = {.vocab_size = 10};
  check_embedding_ids(std::vector<int32_t>{0, 9}, limits);
  for (const int32_t id : {10, -1}) {
    expect_error(
        [&] {
          check_embedding_ids(std::vector<int32_t>{1, id}, limits);
        },
        ErrorCode::kInvalidArgument, {fmt::format("token id {}", id), "0 to 9"});
  }
}

TEST(EmbeddingSession, WhatAnEngineSaysOfItsVectors) {
  EXPECT_FALSE(is_embedding_engine(*tiny_engine()));
  const auto unsupported = ErrorCode::kUnsupported;
  expect_error([&] { engine_embedding_rules(*tiny_engine(), "m"); }, unsupported,
               {"m: expected an engine that gives hidden states", "logits", "--task embed"});
  const auto engine = tiny_encoder();
  EXPECT_TRUE(is_embedding_engine(*engine));
  expect_error([&] { engine_embedding_rules(*engine, "m"); }, unsupported, {"m", "says nothing"});
  EmbeddingRules rules;
  rules.pooling = Pooling::kFirst;
  engine->extras["embedding"] = embedding_rules_to_json(rules).dump();
  EXPECT_EQ(engine_embedding_rules(*engine, "m"), rules);
  engine->extras["embedding"] = "{";
  expect_error([&] { engine_embedding_rules(*engine, "m"); }, ErrorCode::kCorrupt,
               {"m: section 'embedding'"});
  engine->extras["no_embedding"] = "2_Dense";
  expect_error([&] { engine_embedding_rules(*engine, "m"); }, unsupported, {"m", "2_Dense"});
}

TEST(EmbeddingSession, LengthOne) {
  std::vector<float> vector = {3, 0, -4};
  normalize(vector);
  EXPECT_EQ(vector, (std::vector<float>{0.6f, 0, -0.8f}));
  vector = {0, 0};
  normalize(vector);
  EXPECT_EQ(vector, (std::vector<float>{0, 0}));
}

// Words a to z with ids 0 to 25, between [CLS] and [SEP] as BERT's.
std::unique_ptr<const Tokenizer> letters() {
  Json vocab = Json::object();
  for (int i = 0; i < 26; ++i) vocab[std::string(1, static_cast<char>('a' + i))] = i;
  vocab["[CLS]"] = 26;
  vocab["[SEP]"] = 27;
  vocab["[UNK]"] = 28;
  const auto special = [](const char* id) {
    return Json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}};
  };
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  Json post = {{"type", "TemplateProcessing"},
               {"single", {special("[CLS]"), text, special("[SEP]")}},
               {"pair", {special("[CLS]"), text, special("[SEP]")}}};
  for (const auto& [name, id] : {std::pair("[CLS]", 26), std::pair("[SEP]", 27)}) {
    post["special_tokens"][name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
  }
  const Json json = {{"pre_tokenizer", {{"type", "Whitespace"}}},
                     {"post_processor", post},
                     {"model", {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "[UNK]"}}}};
  return Tokenizer::load(json.dump(), "letters");
}

TEST(EmbeddingSession, TextsBecomeIds) {
  const auto tokenizer = letters();
  using Ids = std::vector<int32_t>;
  EmbeddingRules rules;
  const auto ids = [&](const char* text, EmbeddingText wanted = {}) {
    return embedding_ids(*tokenizer, rules, text, wanted);
  };
  EXPECT_EQ(ids("a b c"), (Ids{26, 0, 1, 2, 27}));
  EXPECT_EQ(ids("a b c", {.add_special = false}), (Ids{0, 1, 2}));
  EXPECT_EQ(ids("a b c", {.truncate = 4}), (Ids{26, 0, 1, 27})) << "the end of the text is cut";
  EXPECT_EQ(ids("a b c", {.truncate = 5}), (Ids{26, 0, 1, 2, 27}));
  EXPECT_EQ(ids("a b c", {.truncate = 3}), (Ids{26, 0, 27}));
  EXPECT_EQ(ids("a b c", {.truncate = 2}), (Ids{26, 27})) << "no room for the text between them";
  EXPECT_EQ(ids("a b c", {.truncate = 1}), (Ids{26}));
  EXPECT_EQ(ids("a b c", {.add_special = false, .truncate = 2}), (Ids{0, 1}));
  rules.prompt = "q ";
  EXPECT_EQ(ids("a"), (Ids{26, 16, 0, 27}));
}

}  // namespace embedding_session_test
}  // namespace ingot
