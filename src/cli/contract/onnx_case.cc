#include "cli/contract/onnx_case.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "capi/golden.h"
#include "cli/contract/network_session.h"
#include "loaders/onnx.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "cli/onnx_case";

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;
};

// Of one rounding, for types narrower than the tolerances above assume.
double rounding(DType dtype) {
  if (dtype == DType::kFloat16) return 0x1p-9;
  if (dtype == DType::kBFloat16) return 0x1p-6;
  return 0;
}

Tolerance read_tolerance(const std::string& folder) {
  Tolerance out;
  const std::string path = folder + "/case.json";
  if (!is_regular_file(path)) return out;
  const Json json = parse_json(read_file(path), kWhere, path);
  out.relative = json_get(json, "rtol", out.relative, kWhere, path);
  out.absolute = json_get(json, "atol", out.absolute, kWhere, path);
  return out;
}

std::vector<HostTensor> read_tensors(const std::string& prefix) {
  std::vector<HostTensor> out;
  for (int i = 0;; ++i) {
    const std::string path = fmt::format("{}_{}.pb", prefix, i);
    if (!is_regular_file(path)) return out;
    out.push_back(read_tensor_file(path, {}));
  }
}

// Empty when it passes; errors are added to `result`.
std::string compare(const TensorView& got, const HostTensor& want, const Tolerance& tolerance,
                    OnnxCaseResult& result) {
  if (!(got.type == want.type) || got.shape != want.shape) {
    return fmt::format("expected {}{}, found {}{}", want.type.name(), shape_text(want.shape),
                       got.type.name(), shape_text(got.shape));
  }
  const TensorView view = want.view();
  const int64_t count = got.elements();
  double sum = 0, square = 0, errors = 0, largest = 0;
  int64_t wrong = -1, finite = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = load_element(got, i), y = load_element(view, i);
    if (x == y || (std::isnan(x) && std::isnan(y))) {
      if (std::isfinite(y)) sum += y, square += y * y, ++finite;
      continue;
    }
    const double error = std::fabs(x - y), size = std::fabs(y);
    const double allowed =
        tolerance.absolute + (tolerance.relative + rounding(got.type.dtype)) * size;
    if (!(error <= allowed) && wrong < 0) wrong = i;
    sum += y, square += y * y, ++finite;
    errors += error * error;
    largest = std::max(largest, error);
  }
  const auto n = static_cast<double>(std::max<int64_t>(1, finite));
  const double spread = std::sqrt(std::max(square / n - sum / n * (sum / n), 1e-24));
  result.measured = true;
  result.max_error = std::max(result.max_error, largest / spread);
  result.rms_error = std::max(result.rms_error, std::sqrt(errors / n) / spread);
  if (wrong < 0) return "";
  return fmt::format("element {}: expected {}, found {}", wrong, load_element(view, wrong),
                     load_element(got, wrong));
}

void run_set(const std::string& folder, const std::string& set, bool reference, Device& device,
             OnnxCaseResult& result) {
  const std::string model = folder + "/model.onnx";
  const OnnxSignature signature = read_onnx_signature(model);
  const std::vector<HostTensor> inputs = read_tensors(set + "/input");
  const std::vector<HostTensor> outputs = read_tensors(set + "/output");
  if (inputs.size() != signature.inputs.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} inputs, found {}", set,
         signature.inputs.size(), inputs.size());
  }
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) named[signature.inputs[i].name] = inputs[i];
  const NetworkSessionOptions options = {.reference = reference};
  const auto engine = build_for_inputs(model, named, device, options);
  // After the import, which refuses outputs that are no tensors and so have no file.
  if (outputs.size() != signature.outputs.size()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected {} outputs, found {}", set,
         signature.outputs.size(), outputs.size());
  }
  NetworkSession session(engine, model, device, options);
  session.set_inputs(named);
  session.run();
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::vector<std::byte> memory;  // of a copy, where the device's own cannot be read here
    const TensorView got = session.executor().fetch(session.output(i), memory);
    const std::string wrong = compare(got, outputs[i], read_tolerance(folder), result);
    if (wrong.empty()) continue;
    result.status = "fail";
    result.reason = fmt::format("output '{}': {}", signature.outputs[i], wrong);
  }
  result.kernels = session.executor().kernels_used();
  if (!reference && result.status == "pass" && only_references_ran(result.kernels, device)) {
    result.status = "fail";
    result.reason = kOnlyReferences;
  }
}

}  // namespace

bool is_onnx_case(const std::string& folder) { return is_regular_file(folder + "/model.onnx"); }

OnnxCaseResult run_onnx_case(const std::string& folder, bool reference, Device& device) {
  std::string path = folder;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  OnnxCaseResult result;
  result.name = path.substr(path.rfind('/') + 1);
  result.status = "pass";
  try {
    int sets = 0;
    for (; is_directory(fmt::format("{}/test_data_set_{}", path, sets)); ++sets) {
      run_set(path, fmt::format("{}/test_data_set_{}", path, sets), reference, device, result);
    }
    if (sets == 0) fail(ErrorCode::kNotFound, kWhere, "{}: no test_data_set_0", path);
  } catch (const Error& error) {
    result.status = error.code() == ErrorCode::kUnsupported ? "unsupported" : "fail";
    result.reason = error.what();
  }
  return result;
}

}  // namespace ingot
