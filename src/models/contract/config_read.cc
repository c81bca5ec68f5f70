#include "models/contract/config_read.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "models/contract/config_keys.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models";

// What Hugging Face's configs fall back to.
constexpr int64_t kDefaultPositions = 2048;
constexpr int64_t kDefaultWindow = 4096;
constexpr int64_t kDefaultWindowLayers = 28;

constexpr int64_t kMostLayers = 4096;

// Past the trained length: a graph holds the frequencies of each, 64 MiB of them at most.
constexpr int64_t kMostDynamicLengths = int64_t{1} << 18;
constexpr int64_t kMostDynamicFrequencies = int64_t{1} << 24;

// Of the keys that read_rope_config() looks at.
constexpr const char* kPartial = "partial_rotary_factor";
constexpr const char* kRopeKeys[] = {"rope_theta", "rope_scaling", "rope_parameters", kPartial,
                                     "original_max_position_embeddings"};

constexpr const char* kLocal = "sliding_attention";
constexpr const char* kFull = "full_attention";

// Yarn's scale of cosine and sine, unless it is stated: 0.1 m ln(factor) + 1.
double yarn_scale(const RopeConfig& rope) {
  const auto scale = [&](double m) {
    return rope.factor > 1 ? 0.1 * m * std::log(rope.factor) + 1 : 1;
  };
  if (rope.attention_factor) return *rope.attention_factor;
  const double over = rope.mscale.value_or(0), under = rope.mscale_all_dim.value_or(0);
  return over != 0 && under != 0 ? scale(over) / scale(under) : scale(1);
}

}  // namespace

ConfigRefusal::ConfigRefusal(ErrorCode code, Refusal refusal, StandIn instead)
    : RefusedError(code, kWhere, {std::move(refusal)}), instead_(std::move(instead)) {}

ConfigReader::ConfigReader(const ModelSource& source, Json raw)
    : source_(source),
      file_(source.config_file.empty() ? source.path : source.config_file),
      raw_(std::move(raw)) {
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (raw_.contains(key)) config_[key] = raw_[key];
  }
}

void ConfigReader::reject(ErrorCode code, Refusal refusal, StandIn instead) const {
  for (const auto& [key, name] : aliases_) {
    if (instead.values.contains(key)) instead.values[name] = nullptr;
  }
  throw ConfigRefusal(code, std::move(refusal), std::move(instead));
}

void ConfigReader::reject(const RefusedError& error, StandIn instead) const {
  reject(error.code(), error.refusals().front(), std::move(instead));
}

void ConfigReader::refuse(std::string_view key, std::string_view expected,
                          std::string_view found) const {
  reject(ErrorCode::kUnsupported,
         {"config", file_, std::string(key), std::string(expected), std::string(found)},
         {{{key, nullptr}}});
}

void ConfigReader::refuse_gguf() const {
  if (!source_.gguf) return;
  refuse("general.architecture", "one that llama.cpp loads",
         fmt::format("'{}'", source_.architecture));
}

void ConfigReader::corrupt(std::string_view key, std::string_view expected,
                           std::string_view found) const {
  corrupt(key, expected, found, {{{key, nullptr}}});
}

void ConfigReader::corrupt(std::string_view key, std::string_view expected, std::string_view found,
                           StandIn instead) const {
  reject(ErrorCode::kCorrupt,
         {"config", file_, std::string(key), std::string(expected), std::string(found)},
         std::move(instead));
}

// A size that fits the others, so that no fault follows from it.
ConfigRefusal::StandIn ConfigReader::size_instead(std::string_view key) const {
  StandIn out{{{key, 2}}};
  if (key == "hidden_size") {
    const auto heads = raw_.find("num_attention_heads");
    const bool known = heads != raw_.end() && heads->is_number_integer() &&
                       heads->get<int64_t>() > 0 && heads->get<int64_t>() < kMaxSize / 2;
    out.values[std::string(key)] = known ? 2 * heads->get<int64_t>() : kMaxSize;
  } else if (key == "num_attention_heads") {
    out.values = {{key, 1}, {"num_key_value_heads", nullptr}, {"head_dim", 2}};
  } else if (key == "num_hidden_layers") {
    out.values["layer_types"] = nullptr;
  } else if (key == "num_experts" || key == "num_local_experts") {
    out.values[std::string(key)] = 128;  // no fewer than a token takes
  }
  return out;
}

bool ConfigReader::has(std::string_view key) const {
  const auto it = raw_.find(std::string(key));
  return it != raw_.end() && !it->is_null();
}

void ConfigReader::also_called(std::string_view key,
                               std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    if (has(key)) return;
    if (!has(name)) continue;
    raw_[std::string(key)] = raw_[std::string(name)];
    aliases_.emplace_back(key, name);
  }
}

void ConfigReader::use_default(std::string_view key, Json value) {
  if (!has(key)) override_with(key, std::move(value));
}

void ConfigReader::override_with(std::string_view key, Json value) {
  raw_[std::string(key)] = std::move(value);
}

int64_t ConfigReader::size(std::string_view key, int64_t limit) {
  int64_t value = 0;
  try {
    value = json_require<int64_t>(raw_, key, kWhere, file_);
  } catch (const RefusedError& error) {
    reject(error, size_instead(key));
  }
  if (value < 1 || value > limit) {
    corrupt(key, fmt::format("1 to {}", limit), std::to_string(value), size_instead(key));
  }
  config_[std::string(key)] = value;
  return value;
}

int64_t ConfigReader::size_or(std::string_view key, int64_t fallback, int64_t limit) {
  use_default(key, fallback);
  return size(key, limit);
}

int64_t ConfigReader::count_or(std::string_view key, int64_t fallback, int64_t limit) {
  const auto value = stated<int64_t>(key, fallback);
  if (value < 0 || value > limit) {
    corrupt(key, fmt::format("0 to {}", limit), std::to_string(value));
  }
  config_[std::string(key)] = value;
  return value;
}

double ConfigReader::epsilon(std::string_view key, double fallback) {
  const auto value = stated<double>(key, fallback);
  if (!(value > 0 && value < 1)) {
    corrupt(key, "a number between 0 and 1", fmt::format("{}", value), {{{key, 0.5}}, true});
  }
  config_[std::string(key)] = value;
  return value;
}

double ConfigReader::positive(std::string_view key, double fallback) {
  if (const double value = zero_or(key, fallback); value > 0) return value;
  corrupt(key, "a positive number", "0", {{{key, 1}}, true});
}

double ConfigReader::zero_or(std::string_view key, double fallback) {
  const auto value = stated<double>(key, fallback);
  if (!(value >= 0 && std::isfinite(value))) {
    corrupt(key, "a positive number", fmt::format("{}", value), {{{key, 1}}, true});
  }
  config_[std::string(key)] = value;
  return value;
}

bool ConfigReader::flag(std::string_view key, bool fallback) {
  const auto value = stated<bool>(key, fallback);
  config_[std::string(key)] = value;
  return value;
}

std::vector<int64_t> ConfigReader::numbers(std::string_view key, int64_t low, int64_t high) {
  auto values = stated<std::vector<int64_t>>(key, {});
  if (std::ssize(values) > kMostLayers) {
    corrupt(key, fmt::format("at most {} entries", kMostLayers), std::to_string(values.size()));
  }
  for (int64_t value : values) {
    if (value >= low && value <= high) continue;
    corrupt(key, fmt::format("integers of {} to {}", low, high), std::to_string(value));
  }
  config_[std::string(key)] = values;
  return values;
}

std::vector<int64_t> ConfigReader::layer_set(std::string_view key) {
  const auto layers = config_.at("num_hidden_layers").get<int64_t>();
  std::vector<int64_t> out = numbers(key, 0, layers - 1);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  config_[std::string(key)] = out;
  return out;
}

std::string ConfigReader::choice(std::string_view key, std::string_view fallback,
                                 std::initializer_list<std::string_view> known) {
  auto value = stated<std::string>(key, std::string(fallback));
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    reject(ErrorCode::kUnsupported,
           {"config", file_, std::string(key), fmt::format("{}", fmt::join(known, ", ")),
            fmt::format("'{}'", value)},
           {{{key, *known.begin()}}, true});
  }
  config_[std::string(key)] = value;
  return value;
}

std::string ConfigReader::activation(std::string_view key, std::string_view fallback) {
  const std::pair<std::string_view, std::string_view> kOthers[] = {
      {"gelu_new", "gelu_tanh"},
      {"gelu_fast", "gelu_tanh"},
      {"gelu_pytorch_tanh", "gelu_tanh"},
      {"swish", "silu"}};
  const auto name = stated<std::string>(key, std::string(fallback));
  for (const auto& [other, ours] : kOthers) {
    if (name == other) override_with(key, std::string(ours));
  }
  return choice(key, fallback, {"relu", "gelu", "gelu_tanh", "silu"});
}

void ConfigReader::decoder_sizes() {
  if (source_.kind == ModelSourceKind::kCheckpoint) {
    use_default("max_position_embeddings", kDefaultPositions);
  }
  size("hidden_size");
  size("num_hidden_layers", kMostLayers);
  size("vocab_size");
  size("max_position_embeddings");
}

ConfigReader::Heads ConfigReader::heads() {
  const auto hidden = config_.at("hidden_size").get<int64_t>();
  Heads out{};
  out.heads = size("num_attention_heads", hidden);
  out.kv_heads = stated<int64_t>("num_key_value_heads", out.heads);
  if (out.kv_heads < 1 || out.heads % out.kv_heads != 0) {
    corrupt("num_key_value_heads", fmt::format("a divisor of {}", out.heads),
            std::to_string(out.kv_heads));
  }
  config_["num_key_value_heads"] = out.kv_heads;
  if (!has("head_dim") && hidden % out.heads != 0) {
    corrupt("num_attention_heads", fmt::format("a divisor of {}", hidden),
            std::to_string(out.heads), size_instead("num_attention_heads"));
  }
  out.head_dim = stated<int64_t>("head_dim", hidden / out.heads);
  if (out.head_dim < 2 || out.head_dim % 2 != 0 || out.head_dim > 4096) {
    corrupt("head_dim", "an even size up to 4096", std::to_string(out.head_dim),
            size_instead("head_dim"));
  }
  config_["head_dim"] = out.head_dim;
  return out;
}

// GGUF's keys in Hugging Face's terms.
void ConfigReader::add_gguf_rotation(bool partial) {
  const GgufFile& file = *source_.gguf;
  add_gguf_rope_scaling(file, raw_);
  const std::string rope = fmt::format("{}.rope.", file.architecture());
  const auto head_dim = config_.at("head_dim").get<int64_t>();
  const int64_t rotated = file.get_int(rope + "dimension_count", head_dim);
  if (rotated != head_dim && (!partial || rotated < 2 || rotated > head_dim)) {
    refuse(rope + "dimension_count", std::to_string(head_dim), std::to_string(rotated));
  }
  if (rotated != head_dim) {
    raw_["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_dim);
  }
  if (file.find_value(rope + "dimension_sections")) {
    refuse(rope + "dimension_sections", "none", "positions of several dimensions");
  }
  const double scale = file.get_float(rope + "scale_linear", 1.0);
  if (scale != 1.0) refuse(rope + "scale_linear", "1", fmt::format("{}", scale));
}

// Longrope's scale of cosine and sine, unless it is stated. A factor of Hugging Face's goes before
// the quotient of the two lengths; checkpoints have one that was never stated.
double ConfigReader::longrope_scale(const RopeConfig& rope) const {
  const auto positions = config_.at("max_position_embeddings").get<double>();
  const auto original = static_cast<double>(rope.original_max_position);
  const bool stated = rope.factor_stated && source_.kind == ModelSourceKind::kHuggingFace;
  const double factor = stated ? rope.factor : positions / original;
  return factor > 1 ? std::sqrt(1 + std::log(factor) / std::log(original)) : 1;
}

void ConfigReader::add_long_rotation(const RopeConfig& rope, int64_t pairs) {
  if (rope.original_max_position < 2) {
    corrupt("original_max_position_embeddings", "2 or more",
            std::to_string(rope.original_max_position));
  }
  for (const auto& [key, factors] : {std::pair{"short_factor", &rope.short_factor},
                                     std::pair{"long_factor", &rope.long_factor}}) {
    if (static_cast<int64_t>(factors->size()) != pairs) {
      corrupt(key, fmt::format("{} numbers", pairs), std::to_string(factors->size()));
    }
    config_["rope_scaling"][key] = *factors;
  }
  const double scale = rope.attention_factor.value_or(longrope_scale(rope));
  if (!(scale > 0 && std::isfinite(scale))) {
    corrupt("attention_factor", "a positive number", fmt::format("{}", scale));
  }
  config_["rope_scaling"]["attention_factor"] = scale;
}

void ConfigReader::add_yarn(const RopeConfig& rope) {
  const auto stated = config_.at("max_position_embeddings").get<int64_t>();
  const int64_t original = rope.original_max_position > 0 ? rope.original_max_position : stated;
  if (rope.factor < 1 || rope.factor > 1e6) {
    corrupt("factor", "1 to 1000000", fmt::format("{}", rope.factor));
  }
  if (!(rope.theta > 1)) corrupt("rope_theta", "above 1", fmt::format("{}", rope.theta));
  if (!(rope.beta_slow > 0 && rope.beta_fast >= rope.beta_slow && rope.beta_fast < 1e9)) {
    corrupt("beta_fast", "beta_slow or more, and that above 0",
            fmt::format("{} and {}", rope.beta_fast, rope.beta_slow));
  }
  const double scale = yarn_scale(rope);
  if (!(scale > 0 && scale < 1e6)) {
    corrupt("attention_factor", "a positive number", fmt::format("{}", scale));
  }
  const double longest = rope.factor * static_cast<double>(original);
  if (longest > static_cast<double>(kMaxSize)) {
    corrupt("original_max_position_embeddings", fmt::format("at most {} by the factor", kMaxSize),
            std::to_string(original));
  }
  const auto scaled = static_cast<int64_t>(longest);
  config_["max_position_embeddings"] = std::max(stated, scaled);
  config_["rope_scaling"] = {{"rope_type", "yarn"},
                             {"factor", rope.factor},
                             {"original_max_position_embeddings", original},
                             {"attention_factor", scale},
                             {"beta_fast", rope.beta_fast},
                             {"beta_slow", rope.beta_slow},
                             {"truncate", rope.truncate}};
}

// Hugging Face's classes scale from max_position_embeddings on and read no other length; a
// checkpoint's is what that was.
void ConfigReader::add_dynamic(RopeConfig& rope, int64_t rotated) {
  const auto positions = config_.at("max_position_embeddings").get<int64_t>();
  if (source_.kind == ModelSourceKind::kHuggingFace || rope.original_max_position == 0) {
    rope.original_max_position = positions;
  }
  const int64_t trained = rope.original_max_position;
  if (trained < 1)
    corrupt("original_max_position_embeddings", "1 or more", std::to_string(trained));
  if (rotated < 4) refuse("rope_scaling", "another type for heads of 2", "'dynamic'");
  const int64_t more = std::min(kMostDynamicLengths, kMostDynamicFrequencies / (rotated / 2));
  const double longest =
      std::min(rope.factor * static_cast<double>(trained), static_cast<double>(trained + more));
  config_["max_position_embeddings"] = std::max(trained, static_cast<int64_t>(longest));
}

RopeConfig ConfigReader::rope(const RopeKinds& kinds) {
  if (source_.gguf) add_gguf_rotation(kinds.partial);
  StandIn plain{Json::object(), true};
  for (const char* key : kRopeKeys) plain.values[key] = nullptr;
  RopeConfig rope;
  try {
    rope = read_rope_config(raw_, file_);
  } catch (const RefusedError& error) {
    if (error.refusals().front().where != kPartial) plain.values.erase(kPartial);
    reject(error, plain);
  }
  plain.values.erase(kPartial);
  if (std::find(kinds.types.begin(), kinds.types.end(), rope.type) == kinds.types.end()) {
    reject(ErrorCode::kUnsupported,
           {"config", file_, "rope_scaling", fmt::format("type {}", fmt::join(kinds.types, ", ")),
            fmt::format("'{}'", rope.type)},
           plain);
  }
  if (rope.partial_rotary_factor != 1.0 && (!kinds.partial || rope.partial_rotary_factor > 1.0)) {
    refuse("partial_rotary_factor", kinds.partial ? "at most 1" : "1",
           fmt::format("{}", rope.partial_rotary_factor));
  }
  const int64_t rotated = rotary_dim(rope, config_.at("head_dim").get<int64_t>());
  if (rotated < 2 || rotated % 2 != 0) {
    corrupt("partial_rotary_factor", "an even number of rotated dimensions",
            fmt::format("{}: {}", rope.partial_rotary_factor, rotated));
  }
  if (rope.type == "dynamic") add_dynamic(rope, rotated);
  config_["rope_theta"] = rope.theta;
  if (kinds.partial) config_["partial_rotary_factor"] = rope.partial_rotary_factor;
  if (rope.type != "default") {
    config_["rope_scaling"] = {{"rope_type", rope.type},
                               {"factor", rope.factor},
                               {"low_freq_factor", rope.low_freq_factor},
                               {"high_freq_factor", rope.high_freq_factor},
                               {"original_max_position_embeddings", rope.original_max_position}};
  }
  if (rope.type == "longrope") add_long_rotation(rope, rotated / 2);
  if (rope.type == "yarn") add_yarn(rope);
  return rope;
}

int64_t ConfigReader::sliding_window() {
  // Hugging Face's masks hide all of a sequence behind a window of 0; a checkpoint's is none.
  const bool zero = has("sliding_window") && stated<int64_t>("sliding_window", 0) == 0;
  if (zero && source_.kind == ModelSourceKind::kHuggingFace) {
    corrupt("sliding_window", "1 or more, or null for none", "0");
  }
  return count_or("sliding_window", 0);
}

int64_t ConfigReader::switched_window() {
  if (source_.gguf) override_with("sliding_window", nullptr);
  if (source_.kind == ModelSourceKind::kHuggingFace) {
    // A key that is null says that there is none.
    if (!raw_.contains("sliding_window")) override_with("sliding_window", kDefaultWindow);
    if (!stated("use_sliding_window", false)) override_with("sliding_window", nullptr);
  }
  return sliding_window();
}

void ConfigReader::check_layer_type(const std::string& type) const {
  if (type == kLocal || type == kFull) return;
  refuse("layer_types", fmt::format("{} or {}", kLocal, kFull), fmt::format("'{}'", type));
}

std::vector<bool> ConfigReader::window_layers(FunctionRef<bool(int64_t layer)> pattern) {
  const auto window = config_.at("sliding_window").get<int64_t>();
  const auto types = stated<std::vector<std::string>>("layer_types", {});
  for (const std::string& type : types) check_layer_type(type);
  if (window == 0) override_with("layer_types", nullptr);
  return local_layers([&](int64_t layer) { return window > 0 && pattern(layer); });
}

std::vector<bool> ConfigReader::upper_window_layers() {
  // A checkpoint without layer_types has its window everywhere.
  const bool all = source_.kind == ModelSourceKind::kCheckpoint;
  const auto first = all ? 0 : stated<int64_t>("max_window_layers", kDefaultWindowLayers);
  return window_layers([&](int64_t layer) { return layer >= first; });
}

void ConfigReader::experts_fit(std::string_view key) const {
  constexpr int64_t kMost = int64_t{1} << 17;
  const auto layers = config_.at("num_hidden_layers").get<int64_t>();
  const auto experts = config_.at(std::string(key)).get<int64_t>();
  if (experts > kMost / layers) {
    corrupt(key, fmt::format("at most {} in {} layers", kMost, layers), std::to_string(experts));
  }
}

std::vector<bool> ConfigReader::local_layers(FunctionRef<bool(int64_t layer)> pattern) {
  const auto layers = config_.at("num_hidden_layers").get<int64_t>();
  auto types = stated<std::vector<std::string>>("layer_types", {});
  for (int64_t i = 0; i < layers && !has("layer_types"); ++i) {
    types.emplace_back(pattern(i) ? kLocal : kFull);
  }
  if (static_cast<int64_t>(types.size()) != layers) {
    corrupt("layer_types", fmt::format("{} entries", layers), std::to_string(types.size()));
  }
  std::vector<bool> out;
  for (const std::string& type : types) {
    check_layer_type(type);
    out.push_back(type == kLocal);
  }
  config_["layer_types"] = std::move(types);
  return out;
}

bool is_local_layer(const Json& config, int64_t layer) {
  return config.at("layer_types").at(static_cast<size_t>(layer)) == kLocal;
}

}  // namespace ingot
