// Probe: an architecture from outside, after Gemma 2: windows on some layers, norms around each
// half of a block, soft caps, config keys of its own, GGUF norms as 1 + w. One ModelDef, all kinds
// of source.
#include <cmath>
#include <deque>
#include <numeric>

#include "base/random.h"
#include "compiler/compile.h"
#include "engine/executor.h"
#include "loaders/gguf_writer.h"
#include "loaders/safetensors.h"
#include "models/contract/decoder.h"
#include "tests/loaders/test_files.h"

namespace ingot {
namespace {

std::vector<WeightName> weights(const Json& c) {
  const int64_t hidden = c["hidden_size"], heads = c["num_attention_heads"], dim = c["head_dim"],
                kv_heads = c["num_key_value_heads"], inner = c["intermediate_size"];
  std::vector<WeightName> out;
  auto add = [&](std::string hf, std::string gguf, std::string ours, Shape shape) {
    out.push_back({hf + ".weight", gguf + ".weight", ours + ".weight", std::move(shape)});
    const bool norm = out.back().shape.size() == 1;  // GGUF keeps them as 1 + w
    if (norm) out.back().from_gguf = map_elements([](float x) { return x - 1; });
  };
  const std::tuple<const char*, const char*, const char*, Shape> layer[] = {
      {"input_layernorm", "attn_norm", "input_layernorm", {hidden}},
      {"post_attention_layernorm", "post_attention_norm", "post_layernorm", {hidden}},
      {"pre_feedforward_layernorm", "ffn_norm", "pre_feedforward_layernorm", {hidden}},
      {"post_feedforward_layernorm", "post_ffw_norm", "post_feedforward_layernorm", {hidden}},
      {"self_attn.q_proj", "attn_q", "attention.qkv", {heads * dim, hidden}},
      {"self_attn.k_proj", "attn_k", "attention.qkv", {kv_heads * dim, hidden}},
      {"self_attn.v_proj", "attn_v", "attention.qkv", {kv_heads * dim, hidden}},
      {"self_attn.o_proj", "attn_output", "attention.dense", {hidden, heads * dim}},
      {"mlp.gate_proj", "ffn_gate", "mlp.fc", {inner, hidden}},
      {"mlp.up_proj", "ffn_up", "mlp.gate", {inner, hidden}},
      {"mlp.down_proj", "ffn_down", "mlp.proj", {hidden, inner}}};
  add("model.embed_tokens", "token_embd", "transformer.vocab_embedding", {c["vocab_size"], hidden});
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    for (const auto& [hf, gguf, ours, shape] : layer) {
      add(fmt::format("model.layers.{}.{}", i, hf), fmt::format("blk.{}.{}", i, gguf),
          fmt::format("transformer.layers.{}.{}", i, ours), shape);
    }
  }
  add("model.norm", "output_norm", "transformer.ln_f", {hidden});
  return out;
}

void build(const Json& c, const WeightSource& source, const BuildOptions& options, Graph& graph) {
  DecoderBuilder::Attention full;
  full.kv_heads = c["num_key_value_heads"];
  full.head_dim = c["head_dim"];
  full.softcap = c["attn_logit_softcapping"];
  full.scale = 1 / std::sqrt(c["query_pre_attn_scalar"].get<double>());
  DecoderBuilder b(source, options, c["max_position_embeddings"], graph,
                   {{"kv"}, {"window", c["sliding_window"]}});
  full.inv_freq = b.inverse_frequencies(read_rope_config(c, "config"), full.head_dim);
  DecoderBuilder::Attention local = full;
  local.group = "window";
  local.window = c["sliding_window"];
  auto norm = [&](int x, const std::string& name) {
    return b.rms_norm(x, name + ".weight", c["rms_norm_eps"], 1);
  };
  const double hidden = c["hidden_size"];
  int x = b.scale(b.embedding("model.embed_tokens.weight"), std::sqrt(hidden));
  for (int64_t i = 0; i < c["num_hidden_layers"]; ++i) {
    const std::string p = fmt::format("model.layers.{}.", i);
    int h = norm(x, p + "input_layernorm");
    auto part = [&](const char* name) { return b.linear(h, p + name, 0); };
    const int q = part("self_attn.q_proj"), k = part("self_attn.k_proj");
    h = b.attention(q, k, part("self_attn.v_proj"), i, i % 2 == 0 ? local : full);
    h = b.linear(h, p + "self_attn.o_proj", 1);
    x = graph.emit("add", {}, {norm(h, p + "post_attention_layernorm"), x});
    h = norm(x, p + "pre_feedforward_layernorm");
    h = graph.emit("act_mul", {{"activation", std::string("gelu_tanh")}},
                   {part("mlp.gate_proj"), part("mlp.up_proj")});
    h = b.linear(h, p + "mlp.down_proj", 1);
    x = graph.emit("add", {}, {norm(h, p + "post_feedforward_layernorm"), x});
  }
  b.finish(
      x, [&](int rows) { return norm(rows, "model.norm"); }, "model.embed_tokens.weight",
      [&](int logits) { return b.softcap(logits, c["final_logit_softcapping"]); });
}

const ModelDef& probe_model() {
  constexpr auto kInt = ConfigKey::Type::kInt, kFloat = ConfigKey::Type::kFloat;
  static const ModelDef model = {
      .name = "probe_gemma",
      .architectures = {"ProbeGemmaForCausalLM"},
      .keys = with_rotary_keys(
          {{"hidden_activation", "hidden_act", "", {}, false, "gelu_pytorch_tanh"},
           {"sliding_window", "sliding_window", "attention.sliding_window", kInt, true},
           {"attn_logit_softcapping", "attn_softcap", "attn_logit_softcapping", kFloat, true},
           {"final_logit_softcapping", "final_softcap", "final_logit_softcapping", kFloat, true},
           {"query_pre_attn_scalar", "query_scalar", "", {}, false, 24.0}}),
      .parse_config = [](const ModelSource&, const Json& raw) { return raw; },
      .weights = weights,
      .build = build};
  return model;
}

// All numbers are exact in float32, as GGUF has them.
const char* const kConfig = R"({"architectures": ["ProbeGemmaForCausalLM"], "vocab_size": 40,
  "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 16, "intermediate_size": 48, "max_position_embeddings": 96, "rope_theta": 10000.0,
  "rms_norm_eps": 0.0000152587890625, "sliding_window": 8, "attn_logit_softcapping": 2.0,
  "final_logit_softcapping": 4.0, "query_pre_attn_scalar": 24.0})";

// Multiples of 1/64, so that adding and subtracting one is exact.
std::vector<float> numbers(const WeightName& name, float offset) {
  std::vector<float> out(static_cast<size_t>(element_count(name.shape)));
  const uint64_t seed = std::hash<std::string>()(name.hf);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = offset + static_cast<float>(static_cast<int>(64 * random_unit(seed, i)) - 32) / 64;
  }
  return out;
}

void write_hf(const ScratchDirectory& dir, const Json& config) {
  dir.write("config.json", config.dump());
  std::vector<SafetensorsSpec> specs;
  for (const auto& w : weights(config)) specs.push_back({w.hf, DType::kFloat32, w.shape});
  SafetensorsWriter writer(dir / "model.safetensors", specs, {});
  for (const SafetensorsSpec& s : writer.tensors()) {
    writer.write(std::as_bytes(std::span<const float>(numbers({s.name, "", "", s.shape}, 0))));
  }
  writer.commit();
}

void write_gguf(const std::string& path, const Json& config) {
  GgufWriter writer;
  writer.add_string("general.architecture", "probe_gemma");
  for (const ConfigKey& key : all_keys(probe_model().keys)) {
    const std::string name = fmt::format("probe_gemma.{}", key.gguf);
    const Json value = key.gguf.empty() ? Json() : config.value(std::string(key.name), Json());
    if (value.is_number_float()) writer.add_float32(name, value);
    if (value.is_number_integer()) writer.add_uint32(name, value);
  }
  std::deque<std::vector<float>> kept;
  for (const WeightName& w : weights(config)) {
    kept.push_back(numbers(w, w.shape.size() == 1 ? 1 : 0));
    writer.add_tensor(w.gguf, DType::kFloat32, w.shape, std::as_bytes(std::span(kept.back())));
  }
  writer.write(path);
}

// Logits behind 71 tokens. `freed`: what left the window is another page by the last step.
std::vector<float> logits(const std::string& path, bool freed = false) {
  const auto device = make_cpu_device(1);
  const auto graph = build_model(open_model_source(path), {});
  ExecutorOptions options;
  options.limits = {{"tokens", 40},    {"batch", 1},    {"logit_rows", 1},
                    {"max_blocks", 3}, {"kv_pages", 3}, {"window_pages", 4}};
  Executor executor(compile(*graph, {.passes = {.verify = true}}), *device, options);
  auto set = [&](std::string_view name, std::vector<int32_t> v, Shape shape) {
    auto* bytes = reinterpret_cast<std::byte*>(v.data());
    executor.set_input(name, {DType::kInt32, std::move(shape), bytes});
  };
  for (int32_t position = 0; const int32_t count : {40, 30, 1}) {
    std::vector<int32_t> ids(static_cast<size_t>(count)), positions(ids);
    std::iota(positions.begin(), positions.end(), position);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = positions[i] * 7 % 40;
    set("token_ids", ids, {count});
    set("positions", positions, {count});
    set("token_rows", std::vector<int32_t>(ids.size(), 0), {count});
    set("query_offsets", {0, count}, {2});
    set("context_lengths", {position += count}, {1});
    set("logit_rows", {count - 1}, {1});
    set("block_tables", {0, 1, 2}, {1, 3});
    set("block_tables.window", {freed && count == 1 ? 0 : 3, 2, 1}, {1, 3});
    executor.run();
  }
  const auto* data = reinterpret_cast<const float*>(executor.output("logits").data);
  return {data, data + 40};
}

TEST(NewArchitecture, IsOneDefinitionForAllSources) {
  register_model(probe_model());
  const ScratchDirectory dir;
  const Json config = parse_json(kConfig, "probe", "config");
  write_hf(dir, config);
  write_gguf(dir / "probe.gguf", config);
  const std::vector<float> expected = logits(dir.path());
  EXPECT_EQ(logits(dir / "probe.gguf"), expected);
  convert_model(open_model_source(dir / "probe.gguf"), {}, dir / "checkpoint");
  EXPECT_EQ(logits(dir / "checkpoint"), expected);
  EXPECT_EQ(logits(dir.path(), true), expected);  // layers with a window need no freed page
  for (const char* key : {"sliding_window", "attn_logit_softcapping", "final_logit_softcapping",
                          "query_pre_attn_scalar"}) {
    Json other = config;
    other[key] = 9;
    write_hf(dir, other);
    EXPECT_NE(logits(dir.path()), expected) << key << " does nothing";
  }
}

}  // namespace
}  // namespace ingot
