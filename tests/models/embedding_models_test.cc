// Models as embedding models: what their hidden states become, against the reference's answers.
#include <numeric>

#include "runtime/embedding_session.h"
#include "tests/models/golden_run.h"

namespace ingot {
namespace embedding_models_test {

// A tensor of a golden case's answers, or of its weights, as float32.
std::vector<float> floats(const WeightSource& source, const std::string& name) {
  const WeightInfo& info = source.require(name);
  std::vector<float> out(static_cast<size_t>(info.elements()));
  load_row({info.type, {info.elements()}, const_cast<std::byte*>(info.bytes.data())}, 0, 0,
           info.elements(), out.data());
  return out;
}

std::vector<int32_t> ids(const WeightSource& source, const std::string& name) {
  const WeightInfo& info = source.require(name);
  const TensorView view{info.type, {info.elements()}, const_cast<std::byte*>(info.bytes.data())};
  std::vector<int32_t> out;
  for (int64_t i = 0; i < view.elements(); ++i) {
    out.push_back(static_cast<int32_t>(load_index(view, i)));
  }
  return out;
}

struct Golden {
  explicit Golden(const std::string& name)
      : answers(SafetensorsFile::open(golden_path(name) + "/golden.safetensors")) {
    for (int i = 0; answers->contains(fmt::format("input_ids.{}", i)); ++i) {
      texts.push_back(ids(*answers, fmt::format("input_ids.{}", i)));
    }
    EXPECT_GT(texts.size(), 1u) << name;
  }
  std::shared_ptr<const WeightSource> answers;
  std::vector<std::vector<int32_t>> texts;
};

LoadOptions float32(ModelTask task = ModelTask::kAuto) {
  LoadOptions out;
  out.build.dtype = DType::kFloat32;
  out.task = task;
  out.tune = false;
  return out;
}

using Vectors = std::vector<std::vector<float>>;

// All texts in one step.
Vectors embed(const std::shared_ptr<const Engine>& engine, const EmbeddingRules& rules,
              const std::vector<std::vector<int32_t>>& texts) {
  const auto device = make_cpu_device(1);
  EmbeddingOptions options;
  options.sequences = static_cast<int64_t>(texts.size());
  options.step_tokens = std::accumulate(
      texts.begin(), texts.end(), int64_t{0},
      [](int64_t sum, const auto& text) { return sum + static_cast<int64_t>(text.size()); });
  EmbeddingSession session(engine, rules, *device, options);
  const std::vector<std::span<const int32_t>> spans(texts.begin(), texts.end());
  return session.embed(spans);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    out = std::max(out, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return out;
}

// The reference's hidden states, pooled here.
std::vector<float> pooled(const std::vector<float>& hidden, size_t columns, Pooling pooling) {
  const size_t rows = hidden.size() / columns;
  std::vector<double> sums(columns);
  for (size_t r = 0; r < rows; ++r) {
    const bool counts = pooling == Pooling::kMean || (pooling == Pooling::kFirst && r == 0) ||
                        (pooling == Pooling::kLast && r + 1 == rows);
    for (size_t c = 0; c < columns && counts; ++c) sums[c] += hidden[r * columns + c];
  }
  std::vector<float> out;
  out.reserve(columns);
  for (const double sum : sums) {
    out.push_back(
        static_cast<float>(pooling == Pooling::kMean ? sum / static_cast<double>(rows) : sum));
  }
  return out;
}

TEST(EmbeddingModels, EncodersGiveTheReferencesHiddenStates) {
  for (const char* name : {"roberta", "bert"}) {
    if (!has_golden(name)) continue;
    const Golden golden(name);
    const auto engine = build_engine(golden_path(name), float32(), nullptr, nullptr);
    for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
      EmbeddingRules rules = engine_embedding_rules(*engine, name);
      EXPECT_EQ(rules, EmbeddingRules()) << "the mean, of length 1, where nothing else is said";
      rules.pooling = pooling;
      rules.normalize = false;
      const Vectors found = embed(engine, rules, golden.texts);
      for (size_t i = 0; i < found.size(); ++i) {
        const auto hidden = floats(*golden.answers, fmt::format("hidden.{}", i));
        EXPECT_LE(largest_difference(found[i], pooled(hidden, found[i].size(), pooling)), 2e-4)
            << name << " " << pooling_name(pooling) << " " << i;
      }
    }
  }
}

// The reference has logits: they are the hidden state times the head.
TEST(EmbeddingModels, DecodersGiveWhatTheirHeadWouldRead) {
  const std::pair<const char*, const char*> kCases[] = {{"qwen2-tied", "model.embed_tokens.weight"},
                                                        {"llama3-gqa-rope", "lm_head.weight"},
                                                        {"qwen3-headdim128", "lm_head.weight"},
                                                        {"mistral-swa", "lm_head.weight"}};
  for (const auto& [name, head_name] : kCases) {
    if (!has_golden(name)) continue;
    const Golden golden(name);
    const auto engine =
        build_engine(golden_path(name), float32(ModelTask::kEmbed), nullptr, nullptr);
    EmbeddingRules rules = engine_embedding_rules(*engine, name);
    EXPECT_EQ(rules.pooling, Pooling::kLast);
    EXPECT_TRUE(rules.normalize);
    rules.normalize = false;
    const Vectors found = embed(engine, rules, golden.texts);
    const ModelSource source = open_model_source(golden_path(name));
    const bool own = source.weights->contains(head_name);
    const auto head = floats(*source.weights, own ? head_name : "model.embed_tokens.weight");
    for (size_t i = 0; i < found.size(); ++i) {
      const auto logits = floats(*golden.answers, fmt::format("logits.{}", i));
      const size_t columns = found[i].size(), vocab = head.size() / columns;
      std::vector<float> made(vocab);
      for (size_t v = 0; v < vocab; ++v) {
        double sum = 0;
        for (size_t c = 0; c < columns; ++c) {
          sum += static_cast<double>(found[i][c]) * static_cast<double>(head[v * columns + c]);
        }
        made[v] = static_cast<float>(sum);
      }
      const std::vector<float> last(logits.end() - static_cast<ptrdiff_t>(vocab), logits.end());
      EXPECT_LE(largest_difference(made, last), 1e-4) << name << " " << i;
    }
  }
}

void write_modules(const ScratchDirectory& dir, std::string_view pooling) {
  std::filesystem::create_directories(dir / "1_Pooling");
  dir.write("modules.json",
            R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
                {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}])");
  dir.write("1_Pooling/config.json", pooling);
}

// As Qwen3-Embedding and e5-mistral are kept: the class without the head, its names without
// "model.", no head, and a folder that says how to pool.
TEST(EmbeddingModels, ADecoderSavedWithoutItsHead) {
  for (const char* name : {"mistral-swa", "qwen2-tied", "qwen3-headdim128"}) {
    if (!has_golden(name)) continue;
    const Golden golden(name);
    HfVariant bare(name);
    bare.rename_all("model.", "");
    bare.tensors.erase("lm_head.weight");
    std::string architecture = bare.config["architectures"][0];
    bare.config["architectures"] = {
        architecture.replace(architecture.find("ForCausalLM"), std::string::npos, "Model")};
    const ScratchDirectory dir;
    bare.write(dir);
    write_modules(dir, R"({"pooling_mode_lasttoken": true})");
    const auto engine = build_engine(dir.path(), float32(), nullptr, nullptr);
    const EmbeddingRules rules = engine_embedding_rules(*engine, name);
    EXPECT_EQ(rules.pooling, Pooling::kLast);
    const auto whole =
        build_engine(golden_path(name), float32(ModelTask::kEmbed), nullptr, nullptr);
    const Vectors expected = embed(whole, rules, golden.texts);
    const Vectors found = embed(engine, rules, golden.texts);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], expected[i]) << name;
    RefusalList refused;
    EXPECT_NE(examine_model(open_model_source(dir.path()), refused), nullptr);
    EXPECT_TRUE(refused.empty());
  }
}

TEST(EmbeddingModels, TheTaskIsTheFoldersUnlessSomebodySays) {
  const ScratchDirectory dir;
  HfVariant("qwen2-tied").write(dir);
  const auto embeds = [&](ModelTask task) {
    return is_embedding_engine(*build_engine(dir.path(), float32(task), nullptr, nullptr));
  };
  EXPECT_FALSE(embeds(ModelTask::kAuto));
  EXPECT_TRUE(embeds(ModelTask::kEmbed));
  write_modules(dir, R"({"pooling_mode_lasttoken": true})");
  EXPECT_TRUE(embeds(ModelTask::kAuto));
  EXPECT_FALSE(embeds(ModelTask::kGenerate));
  write_modules(dir, R"({"pooling_mode_max_tokens": true})");
  EXPECT_FALSE(embeds(ModelTask::kAuto)) << "a way that is not computed here";
  const auto engine = build_engine(dir.path(), float32(ModelTask::kEmbed), nullptr, nullptr);
  expect_error([&] { engine_embedding_rules(*engine, "m"); }, ErrorCode::kUnsupported,
               {"m", "max_tokens"});
}

TEST(EmbeddingModels, DecodersThatSeeBothWaysAreRefused) {
  const ScratchDirectory dir;
  HfVariant variant("qwen2-tied");
  variant.config["is_causal"] = false;
  variant.write(dir);
  write_modules(dir, R"({"pooling_mode_lasttoken": true})");
  expect_error([&] { build_engine(dir.path(), float32(), nullptr, nullptr); },
               ErrorCode::kUnsupported, {"config.json", "is_causal", "found false"});
  RefusalList refused;
  examine_model(open_model_source(dir.path()), refused);
  EXPECT_FALSE(refused.empty());
}

TEST(EmbeddingModels, GgufStatesItsPooling) {
  const ModelSource source = open_model_source(golden_path("roberta"));
  const ScratchDirectory dir;
  const auto rules = [&](uint32_t type) {
    GgufLayout layout;
    layout.add = [&](GgufWriter& writer) { writer.add_uint32("bert.pooling_type", type); };
    write_gguf_of(source, dir / "model.gguf", "bert", layout);
    return engine_embedding_rules(*build_engine(dir / "model.gguf", float32(), nullptr, nullptr),
                                  "m");
  };
  EXPECT_EQ(rules(2).pooling, Pooling::kFirst);
  EXPECT_EQ(rules(3).pooling, Pooling::kLast);
  EXPECT_EQ(rules(0).pooling, Pooling::kMean);
  EXPECT_TRUE(rules(1).normalize);
  expect_error([&] { rules(4); }, ErrorCode::kUnsupported, {"bert.pooling_type", "found 4"});
}

}  // namespace embedding_models_test
}  // namespace ingot
