// Probe: an architecture with a mixture of experts from outside, after Mixtral: a router, experts
// as a matrix each in the file, one weight in the graph. The same logits in memory, where the
// experts are pieces, and from the saved engine, where they are one.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"
#include "loaders/safetensors.h"
#include "models/contract/decoder.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

std::string expert_name(int64_t layer, int64_t expert, const char* matrix) {
  return fmt::format("model.layers.{}.block_sparse_moe.experts.{}.{}.weight", layer, expert,
                     matrix);
}

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], inner = c["intermediate_size"];
  const int64_t experts = c["num_local_experts"];
  std::vector<WeightName> out;
  const auto add = [&](const std::string& name, Shape shape) {
    out.push_back({name, name, name, std::move(shape)});
  };
  add("model.embed_tokens.weight", {c["vocab_size"], hidden});
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = fmt::format("model.layers.{}.", i);
    add(p + "input_layernorm.weight", {hidden});
    add(p + "post_attention_layernorm.weight", {hidden});
    for (const char* part : {"q", "k", "v", "o"}) {
      add(fmt::format("{}self_attn.{}_proj.weight", p, part), {hidden, hidden});
    }
    add(p + "block_sparse_moe.gate.weight", {experts, hidden});
    for (int64_t e = 0; e < experts; ++e) {
      add(expert_name(i, e, "w1"), {inner, hidden});
      add(expert_name(i, e, "w2"), {hidden, inner});
      add(expert_name(i, e, "w3"), {inner, hidden});
    }
  }
  add("model.norm.weight", {hidden});
  return out;
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph);
  DecoderBuilder::Attention attention;
  attention.heads = attention.kv_heads = c["num_attention_heads"];
  attention.head_dim = c["hidden_size"].get<int64_t>() / attention.heads;
  // Positions by linear biases: no rotation.
  std::vector<float> slopes;
  for (int64_t h = 0; h < attention.heads; ++h) {
    slopes.push_back(
        std::exp2(-8.0f * static_cast<float>(h + 1) / static_cast<float>(attention.heads)));
  }
  if (c["alibi"] == true) {
    attention.slopes = graph.add_constant(DType::kFloat32, {attention.heads},
                                          std::as_bytes(std::span<const float>(slopes)));
  }
  int x = b.embedding("model.embed_tokens.weight");
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = fmt::format("model.layers.{}.", i);
    int h = b.rms_norm(x, p + "input_layernorm.weight", 1e-5);
    const auto part = [&](const char* name) { return b.linear(h, p + name, 0); };
    const int q = part("self_attn.q_proj"), k = part("self_attn.k_proj");
    h = b.attention(q, k, part("self_attn.v_proj"), i, attention);
    x = graph.emit("add", {}, {b.linear(h, p + "self_attn.o_proj", 1), x});
    h = b.rms_norm(x, p + "post_attention_layernorm.weight", 1e-5);
    const auto stack = [&](const char* matrix) {
      std::vector<std::string> names;
      for (int64_t e = 0; e < c["num_local_experts"]; ++e) {
        names.push_back(expert_name(i, e, matrix));
      }
      return b.experts(names);
    };
    DecoderBuilder::Mixture mixture;
    mixture.k = c["num_experts_per_tok"];
    mixture.gate = stack("w1");
    mixture.up = stack("w3");
    mixture.down = stack("w2");
    const int logits = b.linear(h, p + "block_sparse_moe.gate", -1, "float32");
    x = graph.emit("add", {}, {b.mixture(h, logits, mixture), x});
  }
  b.finish(x, "model.norm.weight", 1e-5, "model.embed_tokens.weight");
}

const ModelDef& probe_model() {
  static const ModelDef model = {
      .name = "probe_mixture",
      .architectures = {"ProbeMixtureForCausalLM"},
      .keys = {{"num_local_experts", "num_local_experts"},
               {"num_experts_per_tok", "num_experts_per_tok"},
               {"alibi", "alibi"}},
      .parse_config = [](const ModelSource&, const Json& raw) { return raw; },
      .weights = weights,
      .build = build};
  return model;
}

const char* const kConfig = R"({"architectures": ["ProbeMixtureForCausalLM"], "vocab_size": 40,
  "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
  "max_position_embeddings": 96, "num_local_experts": 5, "num_experts_per_tok": 2, "alibi": true})";

void write_model(const ScratchDirectory& dir, const Json& config) {
  dir.write("config.json", config.dump());
  std::vector<SafetensorsSpec> specs;
  for (const auto& w : weights(config)) specs.push_back({w.hf, DType::kFloat32, w.shape});
  SafetensorsWriter writer(dir / "model.safetensors", specs, {});
  for (const SafetensorsSpec& s : writer.tensors()) {
    std::vector<float> data(static_cast<size_t>(element_count(s.shape)));
    const uint64_t seed = std::hash<std::string>()(s.name);
    const bool norm = s.shape.size() == 1;
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = norm ? 1.0f : 0.3f * static_cast<float>(random_normal(seed, i));
    }
    writer.write(std::as_bytes(std::span<const float>(data)));
  }
  writer.commit();
}

// Logits behind every token of a prompt, fed in steps of `chunks` tokens.
std::vector<float> logits(std::shared_ptr<const Engine> engine, const std::vector<int32_t>& chunks,
                          SelectionOptions selection = {}) {
  const auto device = make_cpu_device(2);
  ExecutorOptions options;
  options.limits = {
      {"tokens", 40}, {"batch", 1}, {"logit_rows", 40}, {"max_blocks", 3}, {"kv_pages", 3}};
  options.selection = selection;
  Executor executor(std::move(engine), *device, options);
  const auto set = [&](std::string_view name, std::vector<int32_t> v, Shape shape) {
    auto* bytes = reinterpret_cast<std::byte*>(v.data());
    executor.set_input(name, {DType::kInt32, std::move(shape), bytes});
  };
  std::vector<float> out;
  int32_t position = 0;
  for (const int32_t count : chunks) {
    std::vector<int32_t> ids(static_cast<size_t>(count)), positions(ids), rows(ids);
    std::iota(positions.begin(), positions.end(), position);
    std::iota(rows.begin(), rows.end(), 0);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = positions[i] * 7 % 40;
    set("token_ids", ids, {count});
    set("positions", positions, {count});
    set("token_rows", std::vector<int32_t>(ids.size(), 0), {count});
    set("query_offsets", {0, count}, {2});
    set("context_lengths", {position += count}, {1});
    set("logit_rows", rows, {count});
    set("block_tables", {0, 1, 2}, {1, 3});
    executor.run();
    const auto* data = reinterpret_cast<const float*>(executor.output("logits").data);
    out.insert(out.end(), data, data + count * 40);
  }
  return out;
}

std::shared_ptr<const Engine> compiled(const ScratchDirectory& dir) {
  const auto graph = build_model(open_model_source(dir.path()), {});
  return compile(*graph, {.passes = {.verify = true}});
}

TEST(MixtureOfExperts, IsBuiltFromPartsAndRuns) {
  register_model(probe_model());
  const ScratchDirectory dir;
  const Json config = parse_json(kConfig, "probe", "config");
  write_model(dir, config);
  const auto engine = compiled(dir);
  const std::vector<float> expected = logits(engine, {32, 1, 5});
  ASSERT_EQ(expected.size(), 38u * 40);
  for (float value : expected) ASSERT_TRUE(std::isfinite(value));

  save_engine(*engine, dir / "probe.engine");
  EXPECT_EQ(logits(load_engine(dir / "probe.engine"), {32, 1, 5}), expected);
  const std::vector<float> plain = logits(engine, {32, 1, 5}, {.reference = true});
  for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(expected[i], plain[i], 1e-3) << i;
  // Rows do not depend on the batch.
  const SelectionOptions invariant = {.invariant = true};
  EXPECT_EQ(logits(engine, {3, 35}, invariant), logits(engine, {38}, invariant));

  for (const auto& [key, value] :
       {std::pair<const char*, Json>{"num_experts_per_tok", 1}, {"alibi", false}}) {
    Json other = config;
    other[key] = value;
    write_model(dir, other);
    EXPECT_NE(logits(compiled(dir), {32, 1, 5}), expected) << key << " does nothing";
  }
}

}  // namespace
}  // namespace ingot
