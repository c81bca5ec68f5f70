#include "capi/network.h"

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/json.h"
#include "base/knobs.h"
#include "base/log.h"
#include "loaders/onnx.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/network";
constexpr const char* kExtra = "network";
constexpr int64_t kMostBaked = 64;  // elements of an input that is a shape, axes or a count

struct SymbolRange {
  int64_t min = 0, opt = 0, max = 0;
  bool operator==(const SymbolRange&) const = default;
};
using SymbolRanges = std::map<std::string, SymbolRange>;

std::string names_text(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  return out;
}

// The symbols of one input's declared type, from its range in the profile.
void add_ranges(const std::string& file, const OnnxSignature::Entry& input, const ShapeRange& range,
                SymbolRanges& out) {
  const SymShape& declared = input.type.shape;
  const auto bad = [&](const std::string& what) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: profile of input '{}' ({}): {}", file,
         input.name, type_text(input.type), what);
  };
  for (const Shape* shape : {&range.min, &range.opt, &range.max}) {
    if (shape->size() == declared.size()) continue;
    bad(fmt::format("expected {} sizes, found {}", declared.size(), shape_text(*shape)));
  }
  for (size_t d = 0; d < declared.size(); ++d) {
    const SymbolRange given{range.min[d], range.opt[d], range.max[d]};
    if (given.min < 0 || given.min > given.opt || given.opt > given.max) {
      bad(fmt::format("axis {}: expected min <= opt <= max, found {}, {}, {}", d, given.min,
                      given.opt, given.max));
    }
    if (declared[d].is_constant()) {
      const int64_t size = declared[d].constant();
      if (given == SymbolRange{size, size, size}) continue;
      bad(fmt::format("axis {} is {} in the model, found {} to {}", d, size, given.min, given.max));
    }
    const std::string symbol = declared[d].symbols().at(0);
    const SymbolRange& known = out.emplace(symbol, given).first->second;
    if (known == given) continue;
    bad(
        fmt::format("axis {} is '{}', which is {} to {} (best {}) elsewhere, found {} to {} "
                    "(best {})",
                    d, symbol, known.min, known.max, known.opt, given.min, given.max, given.opt));
  }
}

// Ranges of all symbols of the inputs.
SymbolRanges symbol_ranges(const std::string& file, const OnnxSignature& signature,
                           const ShapeProfile& profile) {
  std::vector<std::string> names;
  for (const auto& input : signature.inputs) names.push_back(input.name);
  for (const auto& [name, range] : profile) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: the profile names input '{}'; inputs are {}",
         file, name, names_text(names));
  }
  SymbolRanges out;
  for (const auto& input : signature.inputs) {
    auto it = profile.find(input.name);
    if (it != profile.end()) add_ranges(file, input, it->second, out);
  }
  std::set<std::string> free;
  std::string inputs;
  for (const auto& input : signature.inputs) {
    bool open = false;
    for (const Dim& dim : input.type.shape) {
      for (const std::string& symbol : dim.symbols()) {
        if (out.count(symbol)) continue;
        open = true;
        free.insert(symbol);
      }
    }
    if (open) {
      inputs +=
          fmt::format("{}'{}' {}", inputs.empty() ? "" : ", ", input.name, type_text(input.type));
    }
  }
  if (!free.empty()) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: the sizes {} of {} are free: give their shapes (--minShapes, --optShapes, "
         "--maxShapes NAME:1x2x3)",
         file, names_text({free.begin(), free.end()}), inputs);
  }
  return out;
}

// Loads the model; inputs whose contents shapes depend on become constants, as far as they are
// given. Most models need none, and keep every input.
OnnxModel load_model_file(const std::string& path, OnnxOptions options,
                          const std::map<std::string, TensorView>& contents) {
  for (;;) {
    try {
      OnnxModel model = load_onnx(path, options);
      if (!options.constants.empty()) {
        std::vector<std::string> names;
        for (const auto& [name, view] : options.constants) names.push_back(name);
        spdlog::warn("{}: shapes depend on the contents of {}: built for the contents given", path,
                     names_text(names));
      }
      return model;
    } catch (const OnnxDataDependence& error) {
      bool more = false;
      for (const std::string& name : error.inputs()) {
        auto it = contents.find(name);
        if (it == contents.end()) {
          throw Error(error.code(), fmt::format("{}; it depends on the contents of input {}, which "
                                                "only 'ingot exec' of the .onnx file knows",
                                                error.what(), names_text(error.inputs())));
        }
        if (it->second.elements() <= kMostBaked) {
          more |= options.constants.emplace(name, it->second).second;
        }
      }
      if (!more) throw;
    }
  }
}

void set_sizes(const SymbolRanges& ranges, const Graph& graph, CompileOptions& options) {
  const int64_t unknown = knob_int("loop_sizes");  // of what only running tells: results of loops
  options.limits.clear();
  options.buckets.clear();
  for (int id = 0; id < graph.value_count(); ++id) {
    for (const Dim& dim : graph.type(id).shape) {
      for (const std::string& symbol : dim.symbols()) options.limits[symbol] = unknown;
    }
  }
  Bucket smallest, best, largest;
  for (const auto& [symbol, range] : ranges) {
    if (range.min == range.max) continue;
    options.limits[symbol] = range.max;
    smallest[symbol] = range.min;
    best[symbol] = range.opt;
    largest[symbol] = range.max;
  }
  for (const Bucket& bucket : {smallest, best, largest}) {
    if (options.buckets.empty() || options.buckets.back() != bucket) {
      options.buckets.push_back(bucket);
    }
  }
}

Shape sizes_of(const SymShape& shape, const SymbolRanges& ranges, int64_t SymbolRange::*which) {
  SymbolValues values;
  for (const auto& [symbol, range] : ranges) values[symbol] = range.*which;
  return evaluate(shape, values);
}

Json description(const OnnxModel& model, const OnnxSignature& signature,
                 const SymbolRanges& ranges) {
  Json out = {{"inputs", Json::array()}, {"outputs", model.outputs}, {"constants", Json::array()}};
  for (const auto& input : signature.inputs) {
    const auto at = std::find(model.inputs.begin(), model.inputs.end(), input.name);
    if (at == model.inputs.end()) {
      out["constants"].push_back(input.name);
      continue;
    }
    const int id = model.graph->inputs()[static_cast<size_t>(at - model.inputs.begin())];
    out["inputs"].push_back({{"name", input.name},
                             {"value", model.graph->at(id).name},
                             {"min", sizes_of(input.type.shape, ranges, &SymbolRange::min)},
                             {"opt", sizes_of(input.type.shape, ranges, &SymbolRange::opt)},
                             {"max", sizes_of(input.type.shape, ranges, &SymbolRange::max)}});
  }
  return out;
}

}  // namespace

bool is_onnx_path(const std::string& path) { return path.ends_with(".onnx"); }

std::shared_ptr<Engine> build_network(const std::string& path, const NetworkBuildOptions& options) {
  const OnnxSignature signature = read_onnx_signature(path);
  const SymbolRanges ranges = symbol_ranges(path, signature, options.profile);
  OnnxOptions load;
  for (const auto& [symbol, range] : ranges) {
    if (range.min == range.max) load.symbols[symbol] = range.max;
  }
  OnnxModel model = load_model_file(path, load, options.contents);
  CompileOptions compile_options = options.compile;
  set_sizes(ranges, *model.graph, compile_options);
  const std::string text = description(model, signature, ranges).dump();
  auto engine = compile(*model.graph, compile_options);
  engine->extras[kExtra] = text;
  return engine;
}

bool is_network(const Engine& engine) { return engine.extra(kExtra) != nullptr; }

NetworkSignature network_signature(const Engine& engine, const std::string& file) {
  if (!is_network(engine)) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected the engine of a network, found a language model's ('ingot run' answers with "
         "it)",
         file);
  }
  const Plan& plan = engine.plan;
  const std::string place = file + ": section 'network'";
  const Json json = parse_json(*engine.extra(kExtra), kWhere, place);
  NetworkSignature out;
  out.outputs = json_require<std::vector<std::string>>(json, "outputs", kWhere, place);
  out.constants = json_get<std::vector<std::string>>(json, "constants", {}, kWhere, place);
  const auto inputs = json.find("inputs");
  if (inputs == json.end() || !inputs->is_array() || inputs->size() != plan.inputs.size() ||
      out.outputs.size() != plan.outputs.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} inputs and {} outputs, as the plan has",
         place, plan.inputs.size(), plan.outputs.size());
  }
  std::set<int> seen;
  for (const Json& item : *inputs) {
    NetworkInput input;
    input.name = json_require<std::string>(item, "name", kWhere, place);
    input.value = json_require<std::string>(item, "value", kWhere, place);
    input.range = {json_require<std::vector<int64_t>>(item, "min", kWhere, place),
                   json_require<std::vector<int64_t>>(item, "opt", kWhere, place),
                   json_require<std::vector<int64_t>>(item, "max", kWhere, place)};
    const int id = plan.find(input.value);
    const bool known = id != kNoValue && seen.insert(id).second &&
                       plan.values[static_cast<size_t>(id)].kind == PlanValue::Kind::kInput;
    if (known) input.type = plan.values[static_cast<size_t>(id)].type;
    const ShapeRange& range = input.range;
    const size_t rank = input.type.shape.size();
    bool fits =
        known && range.min.size() == rank && range.opt.size() == rank && range.max.size() == rank;
    for (size_t d = 0; fits && d < rank; ++d) {
      fits = range.min[d] >= 0 && range.min[d] <= range.opt[d] && range.opt[d] <= range.max[d];
    }
    if (fits) {
      checked_elements(range.max, place);
    } else {
      fail(ErrorCode::kCorrupt, kWhere, "{}: input '{}' is not the plan's '{}'", place, input.name,
           input.value);
    }
    out.inputs.push_back(std::move(input));
  }
  return out;
}

}  // namespace ingot
