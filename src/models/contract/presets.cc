#include "models/contract/presets.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "models/presets";

// The usual initializer_range. With normed inputs a projection of n columns has a deviation of
// 0.02 * sqrt(n), 3.4 at the 28672 of the widest MLP: sums over 80 layers stay far below float16's
// 65504.
constexpr double kDeviation = 0.02;
constexpr double kWidth = 1.7320508075688772;  // sqrt(3): half width over deviation

// One number for each tensor, 63 bits so that JSON's signed integers hold it.
uint64_t tensor_seed(std::string_view name, uint64_t seed) {
  return hash64(std::as_bytes(std::span(name.data(), name.size())), seed) >> 1;
}

RandomFill fill_of(const WeightName& name, uint64_t seed) {
  RandomFill fill;
  const bool norm = name.shape.size() == 1 && name.hf.ends_with(".weight");
  if (norm) {
    fill.offset = 1;
  } else {
    fill.seed = tensor_seed(name.hf, seed);
    fill.scale = static_cast<float>(kDeviation * kWidth);
  }
  return fill;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = [] {
    std::vector<Preset> out;
    for (const ModelDef* model : models_model_list()) {
      out.insert(out.end(), model->presets.begin(), model->presets.end());
    }
    return out;
  }();
  return all;
}

const Preset& find_preset(std::string_view name) {
  std::string known;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  fail(ErrorCode::kNotFound, kWhere, "random weights '{}': expected one of {}", name, known);
}

bool is_random_model(std::string_view model) { return model.starts_with(kRandomPrefix); }

ModelSource random_source(std::string_view model, std::optional<DType> dtype, uint64_t seed) {
  const std::string_view name = is_random_model(model) ? model.substr(kRandomPrefix.size()) : model;
  const Preset& preset = find_preset(name);
  const DType type = dtype.value_or(DType::kBFloat16);
  ModelSource source;
  source.kind = ModelSourceKind::kHuggingFace;
  source.path = source.config_file = fmt::format("{}{}", kRandomPrefix, preset.name);
  source.config = parse_json(preset.config, kWhere, source.path);
  source.architecture = source.config["architectures"][0].get<std::string>();
  source.identity =
      hash128(fmt::format("{}|{}|{}|{}", source.path, preset.config, dtype_name(type), seed)).hex();
  const ModelDef& def = find_model(source.architecture);
  auto table = std::make_shared<WeightTable>(source.path);
  source.weights = table;
  for (const WeightName& weight : def.weights(model_config(source, def))) {
    if (!weight.optional) table->add({weight.hf, type, weight.shape, {}, fill_of(weight, seed)});
  }
  return source;
}

}  // namespace ingot
