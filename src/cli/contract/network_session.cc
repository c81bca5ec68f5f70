#include "cli/contract/network_session.h"

#include <map>

#include "base/checked.h"
#include "base/mapped_file.h"
#include "loaders/onnx.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/network";

const HostTensor& require_input(const NamedTensors& inputs, const std::string& name,
                                const ValueType& type) {
  auto it = inputs.find(name);
  if (it == inputs.end()) {
    fail(ErrorCode::kInvalidArgument, kWhere, "input '{}' of type {} is missing", name,
         type_text(type));
  }
  return it->second;
}

bool between(const ShapeRange& range, const Shape& shape) {
  bool in = shape.size() == range.min.size();
  for (size_t d = 0; in && d < shape.size(); ++d) {
    in = shape[d] >= range.min[d] && shape[d] <= range.max[d];
  }
  return in;
}

}  // namespace

std::shared_ptr<const Engine> build_for_inputs(const std::string& path, const NamedTensors& inputs,
                                               Device& device,
                                               const NetworkSessionOptions& options) {
  NetworkBuildOptions build;
  std::map<std::string, int64_t> told;  // sizes by symbol
  for (const auto& [name, type] : read_onnx_signature(path).inputs) {
    const HostTensor& given = require_input(inputs, name, type);
    bool fits = given.type == type.element && given.shape.size() == type.shape.size();
    std::string sizes;  // that inputs before this one tell
    for (size_t d = 0; fits && d < type.shape.size(); ++d) {
      const Dim& dim = type.shape[d];
      int64_t expected = given.shape[d];
      if (dim.is_constant()) {
        expected = dim.constant();
      } else if (const auto known = told.try_emplace(dim.text(), expected).first;
                 known->second != expected) {
        expected = known->second;
        sizes = fmt::format(" with {} = {} as before", dim.text(), expected);
      }
      fits = given.shape[d] == expected;
    }
    if (!fits) {
      fail(ErrorCode::kInvalidArgument, kWhere, "{}: input '{}': expected {}{}, found {}{}", path,
           name, type_text(type), sizes, given.type.name(), shape_text(given.shape));
    }
    build.profile[name] = {given.shape, given.shape, given.shape};
    build.contents[name] = given.view();
  }
  build.compile.tune_seconds = options.tune_seconds;
  if (options.tune_seconds > 0) build.compile.device = &device;
  return build_network(path, build);
}

NetworkSession::NetworkSession(std::shared_ptr<const Engine> engine, const std::string& name,
                               Device& device, const NetworkSessionOptions& options)
    : name_(name), signature_(network_signature(*engine, name)) {
  ExecutorOptions executor_options;
  executor_options.selection.reference = options.reference;
  executor_ = std::make_unique<Executor>(std::move(engine), device, executor_options);
  if (options.profile) executor_->enable_profile(true);
}

void NetworkSession::set_inputs(const NamedTensors& inputs) {
  for (const NetworkInput& input : signature_.inputs) {
    const HostTensor& given = require_input(inputs, input.name, input.type);
    if (!(given.type == input.type.element) || !between(input.range, given.shape)) {
      fail(ErrorCode::kInvalidArgument, kWhere,
           "{}: input '{}': the engine was built for {} of {} to {}, found {}{}", name_, input.name,
           input.type.element.name(), shape_text(input.range.min), shape_text(input.range.max),
           given.type.name(), shape_text(given.shape));
    }
    executor_->set_input(input.value, given.view());
  }
}

void NetworkSession::run() {
  try {
    executor_->run();
  } catch (const Error& error) {
    fail(error.code(), kWhere, "{}: {}", name_, error.what());
  }
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
