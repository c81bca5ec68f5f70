#include "cli/contract/onnx_session.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/knobs.h"
#include "base/mapped_file.h"
#include "compiler/compile.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/onnx";
constexpr int64_t kSmall = 64;  // elements of an input that may be a shape, axes or a count

// Values of the symbols in declared input types, from the actual shapes.
SymbolValues bind_symbols(const OnnxSignature& signature,
                          const std::map<std::string, HostTensor>& inputs) {
  SymbolValues symbols;
  for (const auto& [name, type] : signature.inputs) {
    auto it = inputs.find(name);
    if (it == inputs.end()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' of type {} is missing", name,
           type_text(type));
    }
    const HostTensor& given = it->second;
    bool fits = given.type == type.element && given.shape.size() == type.shape.size();
    for (size_t d = 0; fits && d < type.shape.size(); ++d) {
      const std::vector<std::string> names = type.shape[d].symbols();
      if (names.empty()) {
        fits = type.shape[d].constant() == given.shape[d];
      } else {
        fits = symbols.emplace(names[0], given.shape[d]).first->second == given.shape[d];
      }
    }
    if (!fits) {
      fail(ErrorCode::kInvalidArgument, kWhere, "input '{}': expected {}, found {}{}", name,
           type_text(type), given.type.name(), shape_text(given.shape));
    }
  }
  return symbols;
}

OnnxModel load_for(const std::string& path, const OnnxSignature& signature,
                   const std::map<std::string, HostTensor>& inputs) {
  OnnxOptions options;
  options.symbols = bind_symbols(signature, inputs);
  for (int attempt = 0;; ++attempt) {
    options.constants.clear();
    for (const auto& [name, type] : signature.inputs) {
      const TensorView view = inputs.at(name).view();
      const bool integer = !is_float(view.type.dtype);
      if (attempt > 0 && view.elements() <= kSmall && (integer || attempt > 1)) {
        options.constants[name] = view;
      }
    }
    try {
      return load_onnx(path, options);
    } catch (const Error& error) {
      const bool data =
          std::string_view(error.what()).find("computed from data") != std::string_view::npos;
      if (attempt == 2 || !data) throw;
    }
  }
}

}  // namespace

OnnxSession::OnnxSession(const std::string& path, const std::map<std::string, HostTensor>& inputs,
                         Device& device, const OnnxSessionOptions& options) {
  const Stopwatch load;
  const OnnxSignature signature = read_onnx_signature(path);
  model_ = load_for(path, signature, inputs);
  load_ms_ = load.ms();
  const Stopwatch build;
  CompileOptions compile_options;
  compile_options.tune_seconds = options.tune_seconds;
  if (options.tune_seconds > 0) compile_options.device = &device;
  const int64_t unknown = knob_int("loop_sizes");  // what only running tells: results of loops
  for (int id = 0; id < model_.graph->value_count(); ++id) {
    for (const Dim& dim : model_.graph->type(id).shape) {
      for (const std::string& symbol :
           dim.symbols())  // Sizes that only running tells (results of loops).
        compile_options.limits[symbol] = unknown;
    }
  }
  auto engine = compile(*model_.graph, compile_options);
  ExecutorOptions executor_options;
  executor_options.selection.reference = options.reference;
  executor_ = std::make_unique<Executor>(std::move(engine), device, executor_options);
  if (options.profile) executor_->enable_profile(true);
  for (size_t i = 0; i < model_.inputs.size(); ++i) {
    const int id = model_.graph->inputs()[i];
    executor_->set_input(model_.graph->at(id).name, inputs.at(model_.inputs[i]).view());
  }
  build_ms_ = build.ms();
}

HostTensor read_tensor_file(const std::string& path, const ValueType& declared) {
  const auto ends = [&](std::string_view suffix) {
    return path.size() > suffix.size() &&
           std::string_view(path).substr(path.size() - suffix.size()) == suffix;
  };
  if (ends(".npy")) return read_npy(path);
  if (ends(".pb")) {
    const auto data = read_onnx_tensor(path);
    HostTensor out(data->type, data->shape);
    std::copy(data->bytes.begin(), data->bytes.end(), out.bytes.begin());
    return out;
  }
  if (!ends(".bin")) {
    fail(ErrorCode::kInvalidArgument, kWhere, "{}: expected a .npy, .pb or .bin file", path);
  }
  const auto file = MappedFile::open(path);
  Shape shape;
  size_t unknown = declared.shape.size();
  for (size_t d = 0; d < declared.shape.size(); ++d) {
    if (declared.shape[d].is_constant()) {
      shape.push_back(declared.shape[d].constant());
      continue;
    }
    if (unknown != declared.shape.size()) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: raw data cannot tell two sizes of {}", path,
           type_text(declared));
    }
    unknown = d;
    shape.push_back(1);
  }
  const auto one = static_cast<int64_t>(file->bytes().size());
  const int64_t rest = declared.element.bytes(checked_elements(shape, "input shape"));
  if (unknown != declared.shape.size() && rest > 0 && one % rest == 0) shape[unknown] = one / rest;
  HostTensor out;
  out.type = declared.element;
  out.shape = shape;
  const int64_t needed = declared.element.bytes(checked_elements(shape, "input shape"));
  if (needed != one) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: needs {} bytes for {}, file has {}", path, needed,
         type_text(declared), one);
  }
  out.bytes.assign(file->bytes().begin(), file->bytes().end());
  return out;
}

}  // namespace ingot
