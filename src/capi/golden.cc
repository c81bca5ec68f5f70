#include "capi/golden.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "loaders/safetensors.h"
#include "runtime/decoder_session.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/golden";

struct Tolerance {
  double max;
  double rms;        // 0: not checked
  double least_rms;  // below: the asked arithmetic did not run
};

Tolerance tolerance_of(DType dtype) {
  if (dtype == DType::kBFloat16) return {0.5, 3e-2, 1e-3};
  if (dtype == DType::kFloat16) return {5e-2, 5e-3, 0};
  return {1e-4, 0, 0};
}

std::vector<float> floats(const WeightInfo& info) {
  if (info.type.is_block() || !is_float(info.type.dtype)) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': expected floats, found {}", info.name,
         info.type.name());
  }
  std::vector<float> out(static_cast<size_t>(element_count(info.shape)));
  const TensorView view{
      info.type, {element_count(info.shape)}, const_cast<std::byte*>(info.bytes.data())};
  load_row(view, 0, 0, view.columns(), out.data());
  return out;
}

std::vector<int32_t> integers(const WeightInfo& info) {
  if (info.type.is_block() || !is_integer(info.type.dtype)) {
    fail(ErrorCode::kCorrupt, kWhere, "tensor '{}': expected integers, found {}", info.name,
         info.type.name());
  }
  const TensorView view{
      info.type, {element_count(info.shape)}, const_cast<std::byte*>(info.bytes.data())};
  std::vector<int32_t> out;
  out.reserve(static_cast<size_t>(view.elements()));
  for (int64_t i = 0; i < view.elements(); ++i) {
    out.push_back(static_cast<int32_t>(load_index(view, i)));
  }
  return out;
}

// Sums over all compared logits.
struct ErrorSum {
  double max = 0;
  double squares = 0;
  int64_t count = 0;
  void add(const std::vector<float>& found, const std::vector<float>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = std::fabs(static_cast<double>(found[i]) - expected[i]);
      // NaN must not hide: it compares false everywhere.
      max = error >= max || std::isnan(error) ? error : max;
      squares += error * error;
      ++count;
    }
  }
  double rms() const { return count ? std::sqrt(squares / static_cast<double>(count)) : 0; }
};

int32_t argmax(const float* logits, int64_t count) {
  return static_cast<int32_t>(std::max_element(logits, logits + count) - logits);
}

// Greedy tokens after the prompt, the reference's token fed in at each step. Returns the first
// unexcused difference as text, or nothing.
std::string check_greedy(DecoderSession& session, const std::vector<float>& first_logits,
                         const std::vector<int32_t>& greedy, const std::vector<float>& gaps,
                         double excused_gap, GoldenResult& result) {
  std::vector<float> logits(first_logits.end() - session.vocab_size(), first_logits.end());
  std::string problem;
  for (size_t i = 0; i < greedy.size(); ++i) {
    const int32_t token = argmax(logits.data(), session.vocab_size());
    ++result.greedy_total;
    result.greedy_match += token == greedy[i];
    if (token != greedy[i] && gaps[i] > excused_gap && problem.empty()) {
      problem = fmt::format("greedy token {}: expected {}, found {} (gap {:.4g})", i, greedy[i],
                            token, gaps[i]);
    }
    if (i + 1 < greedy.size()) logits = session.forward({&greedy[i], 1}, false);
  }
  return problem;
}

// Of the reference's logits: as stated, else computed from them.
double deviation(const Json& info, const SafetensorsFile& golden, const std::string& json_path,
                 const std::string& output) {
  if (!golden.contains(output + ".0")) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected '{}.0', found none: other outputs are not compared", golden.origin(),
         output);
  }
  double out = 0;
  if (info.contains("logits_std")) {
    out = json_require<double>(info, "logits_std", kWhere, json_path);
  } else {
    double sum = 0, squares = 0, count = 0;
    for (int i = 0; golden.contains(fmt::format("{}.{}", output, i)); ++i) {
      for (const float value : floats(golden.require(fmt::format("{}.{}", output, i)))) {
        sum += value;
        squares += static_cast<double>(value) * value;
        ++count;
      }
    }
    const double mean = sum / std::max(1.0, count);
    out = std::sqrt(std::max(0.0, squares / std::max(1.0, count) - mean * mean));
  }
  if (out > 0 && std::isfinite(out)) return out;
  fail(ErrorCode::kCorrupt, kWhere, "{}: deviation of the logits: expected above 0, found {}",
       json_path, out);
}

// An encoder's pooled output is that of the first token.
std::vector<float> pooled_row(DecoderSession& session) {
  std::vector<std::byte> memory;
  const TensorView rows = session.executor().fetch(session.executor().output("pooled"), memory);
  std::vector<float> out(static_cast<size_t>(rows.columns()));
  load_row(rows, 0, 0, rows.columns(), out.data());
  return out;
}

void run_case(const std::string& directory, const GoldenOptions& options, Device& device,
              GoldenResult& result) {
  const std::string json_path = directory + "/golden.json";
  const Json info = parse_json(read_file(json_path), kWhere, json_path);
  const auto golden = SafetensorsFile::open(directory + "/golden.safetensors");
  const DType dtype = options.dtype.value_or(DType::kFloat32);
  LoadOptions load;
  load.build.dtype = options.arithmetic.value_or(dtype);
  load.tune = false;
  const auto engine = build_engine(directory, load, &device, nullptr);
  constexpr int64_t kTokens = 256;
  ExecutorOptions execution;
  execution.selection.reference = options.reference;
  DecoderSession session(engine, device, kTokens, kTokens, execution);
  result.encodes = session.plan().encodes;
  const std::string output = result.encodes ? "hidden" : "logits";
  const double std_dev = deviation(info, *golden, json_path, output);

  const Tolerance tolerance = tolerance_of(dtype);
  ErrorSum errors;
  std::string problem;
  for (int i = 0; golden->contains(fmt::format("input_ids.{}", i)); ++i) {
    session.reset();
    const auto prompt = integers(golden->require(fmt::format("input_ids.{}", i)));
    const auto expected = floats(golden->require(fmt::format("{}.{}", output, i)));
    if (prompt.empty())
      fail(ErrorCode::kCorrupt, kWhere, "{}: input_ids.{} is empty", directory, i);
    const auto found = session.forward(prompt, true);
    if (found.size() != expected.size()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {}.{} has {} values, the model gives {}", directory,
           output, i, expected.size(), found.size());
    }
    errors.add(found, expected);
    if (const std::string pooled = fmt::format("pooled.{}", i); golden->contains(pooled)) {
      errors.add(pooled_row(session), floats(golden->require(pooled)));
    }
    const std::string name = fmt::format("greedy.{}", i);
    if (!golden->contains(name)) continue;
    const auto tokens = integers(golden->require(name));
    const auto gaps = floats(golden->require(fmt::format("greedy_gap.{}", i)));
    if (gaps.size() != tokens.size()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} has {} tokens, greedy_gap.{} {} gaps", directory,
           name, tokens.size(), i, gaps.size());
    }
    const std::string greedy =
        check_greedy(session, found, tokens, gaps, 2 * tolerance.max * std_dev, result);
    if (problem.empty()) problem = greedy;
  }
  if (errors.count == 0) fail(ErrorCode::kCorrupt, kWhere, "{}: no input_ids.0", directory);
  result.measured = true;
  result.max_error = errors.max / std_dev;
  result.rms_error = errors.rms() / std_dev;
  result.kernels = session.executor().kernels_used();
  if (!(result.max_error <= tolerance.max)) {
    problem =
        fmt::format("max error / std {:.3g}, allowed {:.3g}", result.max_error, tolerance.max);
  } else if (tolerance.rms > 0 && !(result.rms_error <= tolerance.rms)) {
    problem =
        fmt::format("rms error / std {:.3g}, allowed {:.3g}", result.rms_error, tolerance.rms);
  } else if (result.rms_error < tolerance.least_rms) {
    problem = fmt::format("rms error / std {:.3g} is below {:.3g}: {} arithmetic did not run",
                          result.rms_error, tolerance.least_rms, dtype_name(dtype));
  }
  if (problem.empty() && !options.reference && only_references_ran(result.kernels, device)) {
    problem = kOnlyReferences;
  }
  result.status = problem.empty() ? "pass" : "fail";
  result.reason = problem;
}

}  // namespace

bool is_golden_case(const std::string& directory) {
  return is_regular_file(directory + "/golden.json");
}

bool only_references_ran(const std::vector<std::string>& kernels, const Device& device) {
  return device.kind() != "cpu" && kernels == std::vector<std::string>{"reference"};
}

GoldenResult run_golden(const std::string& directory, const GoldenOptions& options,
                        Device& device) {
  GoldenResult result;
  const size_t end = directory.find_last_not_of('/');
  const size_t slash = directory.rfind('/', end);
  result.name = directory.substr(slash == std::string::npos ? 0 : slash + 1,
                                 end - (slash == std::string::npos ? size_t(-1) : slash));
  try {
    run_case(directory, options, device, result);
  } catch (const Error& error) {
    result.status = error.code() == ErrorCode::kUnsupported ? "unsupported" : "fail";
    result.reason = error.what();
  }
  return result;
}

}  // namespace ingot
