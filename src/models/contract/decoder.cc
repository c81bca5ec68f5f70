#include "models/contract/decoder.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "models/contract/default_limits.h"
#include "ops/shared/onnx_import.h"
#include "tensor/tensor_view.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

// Activations: as asked, else bfloat16 when every matrix is bfloat16, else float32.
DType choose_activation(const WeightSource& weights, const BuildOptions& options) {
  if (options.dtype) return *options.dtype;
  bool any = false;
  for (const std::string& name : weights.names()) {
    const WeightInfo& info = *weights.find(name);
    if (info.shape.size() < 2) continue;
    if (!(info.type == ElementType(DType::kBFloat16))) return DType::kFloat32;
    any = true;
  }
  return any ? DType::kBFloat16 : DType::kFloat32;
}

std::vector<float> llama3_frequencies(const RopeConfig& rope, std::vector<float> base) {
  // Llama 3.1's rule: long wavelengths are slowed by `factor`, short ones kept, those between are
  // interpolated by how often they fit the original context.
  const auto context = static_cast<double>(rope.original_max_position);
  for (float& frequency : base) {
    const double wavelength = 2 * std::numbers::pi / frequency;
    if (wavelength > context / rope.low_freq_factor) {
      frequency = static_cast<float>(frequency / rope.factor);
    } else if (wavelength > context / rope.high_freq_factor) {
      const double smooth = (context / wavelength - rope.low_freq_factor) /
                            (rope.high_freq_factor - rope.low_freq_factor);
      frequency = static_cast<float>((1 - smooth) * frequency / rope.factor + smooth * frequency);
    }
  }
  return base;
}

// Peng et al., "YaRN", 2023: frequencies that turn often within the trained length stay, those that
// turn seldom are slowed by `factor`, in between a ramp over the dimensions mixes both.
std::vector<float> yarn_frequencies(const RopeConfig& rope, std::vector<float> base) {
  const auto pairs = static_cast<double>(base.size());
  // The pair whose frequency turns so many times within the trained length.
  const auto pair_of = [&](double turns) {
    const auto length = static_cast<double>(rope.original_max_position);
    return pairs * std::log(length / (turns * 2 * std::numbers::pi)) / std::log(rope.theta);
  };
  double low = pair_of(rope.beta_fast), high = pair_of(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, 2 * pairs - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < base.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double kept = static_cast<double>(base[i]);
    base[i] = static_cast<float>(kept / rope.factor * slowed + kept * (1 - slowed));
  }
  return base;
}

// By as many positive numbers; `what` names them in the error.
void divide_each(std::vector<float>& frequencies, const std::vector<float>& divisors,
                 const std::string& what) {
  const auto wrong = std::find_if(divisors.begin(), divisors.end(),
                                  [](float d) { return !(d > 0) || !std::isfinite(d); });
  if (divisors.size() != frequencies.size() || wrong != divisors.end()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} positive numbers, found {}{}", what,
         frequencies.size(), divisors.size(),
         wrong == divisors.end() ? "" : fmt::format(", {} among them", *wrong));
  }
  for (size_t i = 0; i < divisors.size(); ++i) frequencies[i] /= divisors[i];
}

std::string block_tables_input(const std::string& group) {
  return group == "kv" ? "block_tables" : "block_tables." + group;
}

std::string pages_symbol(const std::string& group) { return group + "_pages"; }

// A number beside x, in its element type.
int number_like(Graph& graph, double number, int x) {
  const ElementType& type = graph.type(x).element;
  if (!type.is_block()) return ops::add_scalar_as(graph, number, x);
  fail(ErrorCode::kUnsupported, kWhere, "'{}': expected floats to compute with, found {}",
       graph.at(x).name, type.name());
}

}  // namespace

std::vector<float> plain_frequencies(double theta, int64_t rotary) {
  std::vector<float> out;
  for (int64_t i = 0; i < rotary; i += 2) {
    const auto exponent = static_cast<float>(i) / static_cast<float>(rotary);
    out.push_back(1.0f / std::pow(static_cast<float>(theta), exponent));
  }
  return out;
}

DecoderBuilder::DecoderBuilder(const WeightSource& weights, const BuildOptions& options,
                               int64_t max_positions, Graph& graph, std::vector<CacheGroup> groups)
    : weights_(weights),
      graph_(graph),
      activation_(choose_activation(weights, options)),
      kv_(options.kv_dtype.value_or(activation_)),
      embeds_(options.embeds),
      max_positions_(max_positions),
      longest_(options.max_seq_len.value_or(max_positions)),
      groups_(std::move(groups)) {
  const Dim tokens = Dim::symbol("tokens");
  const Dim batch = Dim::symbol("batch");
  auto vector_input = [&](std::string_view name, Dim size) {
    return graph_.add_input(name, {DType::kInt32, {std::move(size)}});
  };
  inputs_.token_ids = vector_input("token_ids", tokens);
  inputs_.positions = vector_input("positions", tokens);
  inputs_.token_rows = vector_input("token_rows", tokens);
  inputs_.query_offsets = vector_input("query_offsets", batch + 1);
  inputs_.context_lengths = vector_input("context_lengths", batch);
  for (const CacheGroup& group : groups_) {
    inputs_.block_tables[group.name] = graph_.add_input(
        block_tables_input(group.name), {DType::kInt32, {batch, Dim::symbol("max_blocks")}});
  }
  inputs_.logit_rows = vector_input("logit_rows", Dim::symbol("logit_rows"));
  const int64_t blocks = (max_positions + kPageTokens - 1) / kPageTokens;
  graph_.limits() = {{"tokens", kDefaultStepTokens},
                     {"batch", kDefaultRows},
                     {"max_blocks", blocks},
                     {"logit_rows", kDefaultRows}};
  for (const CacheGroup& group : groups_) graph_.limits()[pages_symbol(group.name)] = blocks;
  graph_.metadata()["max_position_embeddings"] = std::to_string(max_positions);
  graph_.metadata()["activation_dtype"] = std::string(dtype_name(activation_));
}

std::shared_ptr<TensorData> DecoderBuilder::tensor(const std::string& name) {
  const WeightInfo& info = weights_.require(name);
  auto data = std::make_shared<TensorData>();
  data->name = name;
  data->type = info.type;
  data->shape = info.shape;
  data->bytes = info.bytes;
  data->random = info.random;
  return data;
}

int DecoderBuilder::weight(const std::string& name, int shard_axis) {
  auto it = values_.find(name);
  if (it != values_.end()) return it->second;
  return values_[name] = graph_.add_weight(name, {{tensor(name)}, shard_axis});
}

int DecoderBuilder::experts(const std::vector<std::string>& names, int shard_axis) {
  CHECK(!names.empty());
  Weight all;
  all.shard_axis = shard_axis;
  for (const std::string& name : names) {
    const std::shared_ptr<TensorData> data = tensor(name);
    if (data->shape.size() == 2) data->shape.insert(data->shape.begin(), 1);
    const bool fits =
        data->shape.size() == 3 &&
        (all.segments.empty() ||
         (data->type == all.segments[0]->type &&
          std::equal(data->shape.begin() + 1, data->shape.end(), all.segments[0]->shape.begin() + 1,
                     all.segments[0]->shape.end())));
    if (!fits) {
      fail(ErrorCode::kCorrupt, kWhere,
           "weight '{}': expected the type and shape of '{}', found {}{}", name, names[0],
           data->type.name(), shape_text(data->shape));
    }
    all.segments.push_back(data);
  }
  return graph_.add_weight(names[0] + ".experts", std::move(all));
}

int DecoderBuilder::layer_norm_of_heads(int x, const std::vector<std::string>& weight_names,
                                        double epsilon) {
  CHECK(!weight_names.empty());
  Weight all;
  all.shard_axis = 0;
  for (const std::string& name : weight_names) all.segments.push_back(tensor(name));
  const int64_t head_dim = all.segments[0]->shape[0];
  const int weight = graph_.add_weight(weight_names[0] + ".heads", std::move(all));
  return graph_.emit("layer_norm", {{"epsilon", epsilon}, {"group", head_dim}}, {x, weight});
}

int DecoderBuilder::mixture(int x, int logits, const Mixture& shape) {
  std::vector<int> routing = {logits};
  if (shape.bias != kNoValue) routing.push_back(shape.bias);
  const std::vector<int> routes = graph_.emit_many("moe_route",
                                                   {{"k", shape.k},
                                                    {"scoring", shape.scoring},
                                                    {"normalise", shape.normalise},
                                                    {"scale", shape.scale}},
                                                   std::move(routing), 2);
  std::vector<int> inputs = {x, routes[0], routes[1], shape.gate, shape.down};
  if (shape.up != kNoValue) inputs.push_back(shape.up);
  return graph_.emit("moe_ffn", {{"activation", shape.activation}}, std::move(inputs));
}

int DecoderBuilder::linear(int x, const std::string& name, int shard_axis, std::string dtype) {
  std::vector<int> inputs = {x, weight(name + ".weight", shard_axis)};
  if (has(name + ".bias")) inputs.push_back(weight(name + ".bias", shard_axis == 0 ? 0 : -1));
  Attrs attrs;
  if (!dtype.empty()) attrs["dtype"] = std::move(dtype);
  return graph_.emit("linear", std::move(attrs), std::move(inputs));
}

int DecoderBuilder::scale(int x, double factor) {
  return graph_.emit("mul", {}, {x, number_like(graph_, factor, x)});
}

int DecoderBuilder::shift(int x, double offset) {
  return graph_.emit("add", {}, {x, number_like(graph_, offset, x)});
}

int DecoderBuilder::clip(int x, double limit) {
  const int low = number_like(graph_, -limit, x), high = number_like(graph_, limit, x);
  return graph_.emit("clip", {}, {x, low, high});
}

int DecoderBuilder::softcap(int x, double cap) {
  return scale(graph_.emit("tanh", {}, {scale(x, 1 / cap)}), cap);
}

int DecoderBuilder::embedding(const std::string& weight_name) {
  return graph_.emit("embedding", {{"dtype", std::string(dtype_name(activation_))}},
                     {inputs_.token_ids, weight(weight_name, 0)});
}

int DecoderBuilder::attention(int q, int k, int v, int64_t layer, const Attention& shape) {
  const auto group = std::find_if(groups_.begin(), groups_.end(),
                                  [&](const CacheGroup& g) { return g.name == shape.group; });
  CHECK_MSG(group != groups_.end(), "cache group '{}' was not declared", shape.group);
  // Freed pages hold other sequences' keys.
  const bool windowed = group->window > 0;
  CHECK(!windowed || (shape.window > 0 && shape.window <= group->window));
  const int block_tables = inputs_.block_tables.at(group->name);
  auto cache = [&](std::string_view which) {
    return graph_.add_state(
        fmt::format("{}_cache.{}", which, layer), kv_,
        {Dim::symbol(pages_symbol(group->name)), shape.kv_heads, kPageTokens, shape.head_dim},
        {group->name, windowed ? StateKind::kWindowed : StateKind::kPaged, group->window});
  };
  const int k_cache = cache("k");
  const int v_cache = cache("v");
  if (shape.inv_freq != kNoValue) {
    const Attrs attrs = {{"head_dim", shape.head_dim},
                         {"interleaved", shape.interleaved},
                         {"scale", shape.rope_scale}};
    q = graph_.emit("rope", attrs, {q, inputs_.positions, shape.inv_freq});
    k = graph_.emit("rope", attrs, {k, inputs_.positions, shape.inv_freq});
    if (shape.query_factors != kNoValue) q = scale_rows(q, shape.query_factors);
  }
  const PackedRows rows = {inputs_.positions, inputs_.token_rows, inputs_.query_offsets,
                           inputs_.context_lengths, block_tables};
  const Cache caches = append(k, v, {k_cache, v_cache}, rows);
  keep(caches);
  return attend(q, caches, rows, shape);
}

DecoderBuilder::Cache DecoderBuilder::append(int k, int v, const Cache& cache,
                                             const PackedRows& to) {
  const std::vector<int> tokens = graph_.emit_many(
      "kv_append", {}, {k, v, cache.k, cache.v, to.positions, to.rows, to.block_tables}, 2);
  return {tokens[0], tokens[1]};
}

void DecoderBuilder::keep(const Cache& cache) {
  state_tokens_.insert(state_tokens_.end(), {cache.k, cache.v});
}

int DecoderBuilder::attend(int q, const Cache& cache, const PackedRows& rows,
                           const Attention& shape) {
  const double scale =
      shape.scale != 0 ? shape.scale : 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
  Attrs attrs = {{"head_dim", shape.head_dim}, {"scale", scale}};
  if (shape.window > 0) attrs["window"] = shape.window;
  if (shape.softcap > 0) attrs["softcap"] = shape.softcap;
  if (!shape.causal) attrs["causal"] = false;
  std::vector<int> inputs = {q,
                             cache.k,
                             cache.v,
                             rows.positions,
                             rows.rows,
                             rows.offsets,
                             rows.context_lengths,
                             rows.block_tables};
  if (shape.slopes != kNoValue) inputs.push_back(shape.slopes);
  return graph_.emit("paged_attention", std::move(attrs), std::move(inputs));
}

std::vector<float> DecoderBuilder::numbers(const std::string& name) const {
  if (!has(name)) return {};
  const WeightInfo& info = weights_.require(name);
  CHECK_MSG(!info.random, "'{}' has no bytes", name);
  std::vector<float> out(static_cast<size_t>(info.elements()));
  const TensorView view{info.type, info.shape, const_cast<std::byte*>(info.bytes.data())};
  for (int64_t r = 0; r < view.rows(); ++r) {
    load_row(view, r, 0, view.columns(), out.data() + r * view.columns());
  }
  return out;
}

// "Dynamic" scaling: past the trained length n, at length l, the base is multiplied by
// (factor * l / n - (factor - 1))^(dim / (dim - 2)).
int DecoderBuilder::dynamic_frequencies(const RopeConfig& rope, int64_t rotary) {
  const int64_t trained = rope.original_max_position;
  const double power = static_cast<double>(rotary) / static_cast<double>(rotary - 2);
  std::vector<std::vector<float>> sets;
  for (int64_t length = trained; length <= max_positions_; ++length) {
    const double stretch =
        rope.factor * static_cast<double>(length) / static_cast<double>(trained) -
        (rope.factor - 1);
    sets.push_back(plain_frequencies(rope.theta * std::pow(stretch, power), rotary));
  }
  return frequencies_by_length(sets, {trained}, LengthOf::kToken);
}

int DecoderBuilder::inverse_frequencies(const RopeConfig& rope, int64_t head_dim,
                                        const std::vector<float>& divisors) {
  const int64_t rotary = rotary_dim(rope, head_dim);
  std::vector<float> frequencies = plain_frequencies(rope.theta, rotary);
  if (rope.type == "linear") {
    for (float& f : frequencies) f = static_cast<float>(f / rope.factor);
  } else if (rope.type == "llama3") {
    frequencies = llama3_frequencies(rope, std::move(frequencies));
  } else if (rope.type == "yarn") {
    frequencies = yarn_frequencies(rope, std::move(frequencies));
  } else if (rope.type == "longrope") {
    std::vector<float> longer = frequencies;
    divide_each(frequencies, {rope.short_factor.begin(), rope.short_factor.end()},
                "config: rope factors");
    divide_each(longer, {rope.long_factor.begin(), rope.long_factor.end()}, "config: rope factors");
    if (longest_ > rope.original_max_position) {
      CHECK(divisors.empty());
      return frequencies_by_length({frequencies, longer}, {rope.original_max_position},
                                   LengthOf::kSequence);
    }
  } else if (rope.type == "dynamic") {
    if (max_positions_ > rope.original_max_position) {
      if (!divisors.empty()) {
        fail(ErrorCode::kUnsupported, kWhere, "{}: rotary divisors beside dynamic scaling",
             weights_.origin());
      }
      return dynamic_frequencies(rope, rotary);
    }
  } else if (rope.type != "default") {
    fail(ErrorCode::kUnsupported, kWhere, "rope_scaling type '{}' is not supported yet", rope.type);
  }
  if (!divisors.empty()) {
    divide_each(frequencies, divisors, weights_.origin() + ": rotary divisors");
  }
  const Shape shape = {static_cast<int64_t>(frequencies.size())};
  return graph_.add_constant(DType::kFloat32, shape, std::as_bytes(std::span(frequencies)));
}

int DecoderBuilder::frequencies_by_length(const std::vector<std::vector<float>>& sets,
                                          const std::vector<int64_t>& lengths, LengthOf measure) {
  if (measure == LengthOf::kToken) {
    CHECK_EQ(lengths.size(), 1u);
    CHECK_EQ(static_cast<int64_t>(sets.size()), max_positions_ - lengths[0] + 1);
  } else {
    CHECK_EQ(sets.size(), lengths.size() + 1);
  }
  std::vector<float> table;
  for (const std::vector<float>& set : sets) {
    CHECK_EQ(set.size(), sets[0].size());
    table.insert(table.end(), set.begin(), set.end());
  }
  auto& stated = graph_.metadata();
  const std::string text = fmt::format("{}", fmt::join(lengths, ","));
  const std::string by = measure == LengthOf::kPrompt  ? "prompt"
                         : measure == LengthOf::kToken ? "token"
                                                       : "sequence";
  if (rotations_ == kNoValue) {
    rotations_ = graph_.add_input("rotations", {DType::kInt32, {Dim::symbol("tokens")}});
    stated["rotation_lengths"] = text;
    stated["rotation_by"] = by;
  }
  CHECK(stated["rotation_lengths"] == text && stated["rotation_by"] == by);
  const Shape shape = {static_cast<int64_t>(sets.size()), static_cast<int64_t>(sets[0].size())};
  const int sets_table =
      graph_.add_constant(DType::kFloat32, shape, std::as_bytes(std::span(table)));
  return graph_.emit("embedding", {{"dtype", std::string(dtype_name(DType::kFloat32))}},
                     {rotations_, sets_table});
}

double DecoderBuilder::rope_scale(const RopeConfig& rope) const {
  if (rope.type != "longrope" && rope.type != "yarn") return 1;
  CHECK(rope.attention_factor);  // ConfigReader::rope() states it
  return *rope.attention_factor;
}

void DecoderBuilder::finish(int x, const std::string& norm, double epsilon,
                            const std::string& head) {
  finish(
      x, [&](int rows) { return rms_norm(rows, norm, epsilon); }, head,
      [](int logits) { return logits; });
}

void DecoderBuilder::finish_layer_norm(int x, const std::string& norm, double epsilon,
                                       const std::string& head) {
  finish(
      x, [&](int rows) { return layer_norm(rows, norm, epsilon); }, head);
}

void DecoderBuilder::finish(int x, Stage norm, const std::string& head) {
  finish(x, norm, head, [](int logits) { return logits; });
}

void DecoderBuilder::finish(int x, Stage norm, const std::string& head, Stage logits) {
  const int last = norm(graph_.emit("gather", {}, {x, inputs_.logit_rows}));
  if (embeds_) return add_hidden(last);
  std::vector<int> inputs = {last, weight(head, 0)};
  std::string bias = head.substr(0, head.rfind('.')) + ".bias";
  if (!has(bias)) bias = "lm_head.bias";  // beside a head that is the embedding
  if (has(bias)) inputs.push_back(weight(bias, 0));
  x = logits(graph_.emit("linear", {{"dtype", std::string("float32")}}, std::move(inputs)));
  graph_.rename(x, "logits");
  graph_.add_output(x);
  add_state_outputs();
}

void DecoderBuilder::finish_encoder(int x) {
  add_hidden(graph_.emit("gather", {}, {x, inputs_.logit_rows}));
}

void DecoderBuilder::add_hidden(int rows) {
  const int hidden = graph_.emit("cast", {{"to", std::string("float32")}}, {rows});
  graph_.rename(hidden, "hidden");
  graph_.add_output(hidden);
  add_state_outputs();
}

void DecoderBuilder::finish_encoder(int x, Stage pooled) {
  const int rows = pooled(graph_.emit("gather", {}, {x, inputs_.logit_rows}));
  graph_.rename(rows, "pooled");
  graph_.add_output(rows);
  finish_encoder(x);
}

void DecoderBuilder::add_state_outputs() {
  for (int token : state_tokens_) graph_.add_output(token);
  for (const CacheGroup& group : groups_) {
    const auto& states = graph_.states();
    CHECK_MSG(std::any_of(states.begin(), states.end(),
                          [&](int id) { return graph_.at(id).state.group == group.name; }),
              "no layer keeps its cache in group '{}'", group.name);
  }
}

}  // namespace ingot
