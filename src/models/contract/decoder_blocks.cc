// The blocks of DecoderBuilder that are made of a few operators each.
#include <bit>
#include <cmath>

#include "base/check.h"
#include "models/contract/config_read.h"
#include "models/contract/decoder.h"

namespace ingot {

std::vector<CacheGroup> cache_groups(const Json& config, int64_t window) {
  bool full = false, local = false;
  for (int64_t i = 0; i < config.at("num_hidden_layers").get<int64_t>(); ++i) {
    (is_local_layer(config, i) ? local : full) = true;
  }
  std::vector<CacheGroup> out;
  if (full) out.push_back({"kv"});
  if (local) out.push_back({"window", window});
  return out;
}

std::string DecoderBuilder::at_layer(std::string_view hf, int64_t i) {
  graph_.set_origin(fmt::format("layer {}", i));
  return fmt::format("{}{}.", hf, i);
}

int DecoderBuilder::rms_norm(int x, const std::string& weight_name, double epsilon, double offset) {
  Attrs attrs = {{"epsilon", epsilon}};
  if (offset != 0) attrs["weight_offset"] = offset;
  return graph_.emit("rms_norm", std::move(attrs), {x, weight(weight_name)});
}

int DecoderBuilder::rms_norm(int x, int weight, double epsilon) {
  return graph_.emit("rms_norm", {{"epsilon", epsilon}}, {x, weight});
}

int DecoderBuilder::head_norm(int x, const std::string& weight_name, double epsilon,
                              int64_t head_dim, double offset) {
  Attrs attrs = {{"epsilon", epsilon}, {"group", head_dim}};
  if (offset != 0) attrs["weight_offset"] = offset;
  return graph_.emit("rms_norm", std::move(attrs), {x, weight(weight_name)});
}

int DecoderBuilder::layer_norm(int x, const std::string& name, double epsilon) {
  std::vector<int> inputs = {x};
  for (const char* part : {".weight", ".bias"}) {
    if (has(name + part)) inputs.push_back(weight(name + part));
  }
  return graph_.emit("layer_norm", {{"epsilon", epsilon}}, std::move(inputs));
}

int DecoderBuilder::add_positions(int x, const std::string& weight_name) {
  const int rows = graph_.emit("embedding", {{"dtype", std::string(dtype_name(activation_))}},
                               {inputs_.positions, weight(weight_name)});
  return graph_.emit("add", {}, {x, rows});
}

int DecoderBuilder::position_factors(const std::vector<float>& by_position) {
  const Shape shape = {static_cast<int64_t>(by_position.size()), 1};
  const int table =
      graph_.add_constant(DType::kFloat32, shape, std::as_bytes(std::span(by_position)));
  return graph_.emit("embedding", {{"dtype", std::string(dtype_name(activation_))}},
                     {inputs_.positions, table});
}

int DecoderBuilder::scale_rows(int x, int factors) { return graph_.emit("mul", {}, {x, factors}); }

int DecoderBuilder::add_row(int x, const std::string& weight_name, int64_t row) {
  const int32_t index = static_cast<int32_t>(row);
  const int at = graph_.add_constant(DType::kInt32, {1}, std::as_bytes(std::span(&index, 1)));
  const int picked = graph_.emit("embedding", {{"dtype", std::string(dtype_name(activation_))}},
                                 {at, weight(weight_name)});
  return graph_.emit("add", {}, {x, picked});
}

int DecoderBuilder::residual(int branch, int x) { return graph_.emit("add", {}, {branch, x}); }

int DecoderBuilder::activation(int x, const std::string& name) {
  if (name != "gelu_tanh") return graph_.emit(name, {}, {x});
  return graph_.emit("gelu", {{"approximate", std::string("tanh")}}, {x});
}

int DecoderBuilder::mlp(int x, const std::string& fc, const std::string& activation,
                        const std::string& proj) {
  return linear(this->activation(linear(x, fc, 0), activation), proj, 1);
}

int DecoderBuilder::gated_mlp(int x, const std::string& gate, const std::string& up,
                              const std::string& activation, const std::string& down) {
  const int gated = linear(x, gate, 0);
  const int h = graph_.emit("act_mul", {{"activation", activation}}, {gated, linear(x, up, 0)});
  return linear(h, down, 1);
}

int DecoderBuilder::gated_mlp(int x, const std::string& projections,
                              const std::string& activation) {
  return gated_mlp(x, projections + "gate_proj", projections + "up_proj", activation,
                   projections + "down_proj");
}

DecoderBuilder::Attention DecoderBuilder::attention_of(const Json& config) {
  Attention out;
  out.heads = config.at("num_attention_heads");
  out.kv_heads = config.at("num_key_value_heads");
  out.head_dim = config.at("head_dim");
  return out;
}

int DecoderBuilder::fused_attention(int x, const std::string& qkv, int64_t layer,
                                    const Attention& shape) {
  const int q = linear(x, qkv + ".q", 0), k = linear(x, qkv + ".k", 0);
  return attention(q, k, linear(x, qkv + ".v", 0), layer, shape);
}

int DecoderBuilder::self_attention(int x, const std::string& projections, int64_t layer,
                                   const Attention& shape) {
  const int q = linear(x, projections + "q_proj", 0), k = linear(x, projections + "k_proj", 0);
  return attention(q, k, linear(x, projections + "v_proj", 0), layer, shape);
}

int DecoderBuilder::alibi_slopes(int64_t heads, double max_bias, double factor) {
  CHECK_GT(heads, 0);
  // Those of the power of two below, then every second one of the power of two above.
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<float> slopes;
  for (int64_t h = 0; h < heads; ++h) {
    const bool more = h >= below;
    const double step =
        more ? 2.0 * static_cast<double>(h - below) + 1 : static_cast<double>(h + 1);
    const auto n = static_cast<double>(more ? 2 * below : below);
    slopes.push_back(static_cast<float>(factor * std::exp2(-max_bias * step / n)));
  }
  return graph_.add_constant(DType::kFloat32, {heads}, std::as_bytes(std::span(slopes)));
}

int DecoderBuilder::moe(int x, const std::string& router, int64_t experts, ExpertName name_of,
                        Mixture shape) {
  const auto stack = [&](std::string_view which, int shard_axis) {
    std::vector<std::string> names;
    for (int64_t e = 0; e < experts; ++e) names.push_back(name_of(e, which));
    return this->experts(names, shard_axis);
  };
  const int logits = linear(x, router, -1, "float32");
  shape.gate = stack("gate", 1);
  shape.up = stack("up", 1);
  shape.down = stack("down", 2);
  return mixture(x, logits, shape);
}

int DecoderBuilder::moe(int x, const std::string& layer, const std::string& router,
                        const WeightNames::Experts& experts, Mixture shape) {
  const auto name_of = [&](int64_t e, std::string_view which) {
    const std::string& part = which == "gate" ? experts.gate
                              : which == "up" ? experts.up
                                              : experts.down;
    return fmt::format("{}{}{}.{}.weight", layer, experts.hf, e, part);
  };
  return moe(x, layer + router, experts.count, name_of, std::move(shape));
}

}  // namespace ingot
