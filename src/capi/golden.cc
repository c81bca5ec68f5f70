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

double deviation_of(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const double count = std::max(1.0, static_cast<double>(values.size()));
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

double checked_deviation(double value, const std::string& output, const std::string& place) {
  if (value > 0 && std::isfinite(value)) return value;
  fail(ErrorCode::kCorrupt, kWhere, "{}: deviation of '{}': expected above 0, found {}", place,
       output, value);
}

// Of the reference's logits: as stated, else computed from them.
double deviation(const Json& info, const SafetensorsFile& golden, const std::string& json_path,
                 const std::string& output) {
  if (!golden.contains(output + ".0")) {
    fail(ErrorCode::kUnsupported, kWhere,
         "{}: expected '{}.0', found none: other outputs are not compared", golden.origin(),
         output);
  }
  if (info.contains("logits_std")) {
    const auto stated = json_require<double>(info, "logits_std", kWhere, json_path);
    return checked_deviation(stated, output, json_path);
  }
  std::vector<float> all;
  for (int i = 0; golden.contains(fmt::format("{}.{}", output, i)); ++i) {
    const auto values = floats(golden.require(fmt::format("{}.{}", output, i)));
    all.insert(all.end(), values.begin(), values.end());
  }
  return checked_deviation(deviation_of(all), output, json_path);
}

// An encoder's pooled output is that of the first token.
std::vector<float> pooled_row(DecoderSession& session) {
  std::vector<std::byte> memory;
  const TensorView rows = session.executor().fetch(session.executor().output("pooled"), memory);
  std::vector<float> out(static_cast<size_t>(rows.columns()));
  load_row(rows, 0, 0, rows.columns(), out.data());
  return out;
}

// What a case is judged by, and the first thing that is wrong with it.
struct Verdict {
  DType dtype;
  Tolerance tolerance;
  GoldenResult& result;
  std::string problem;

  void note(const std::string& found) {
    if (problem.empty()) problem = found;
  }
  // The result shows the worst of all outputs.
  void judge(const std::string& output, const ErrorSum& errors, double std_dev) {
    const double max = errors.max / std_dev, rms = errors.rms() / std_dev;
    result.max_error = result.max_error >= max ? result.max_error : max;
    result.rms_error = result.rms_error >= rms ? result.rms_error : rms;
    if (!(max <= tolerance.max)) {
      note(fmt::format("{}: max error / std {:.3g}, allowed {:.3g}", output, max, tolerance.max));
    } else if (tolerance.rms > 0 && !(rms <= tolerance.rms)) {
      note(fmt::format("{}: rms error / std {:.3g}, allowed {:.3g}", output, rms, tolerance.rms));
    } else if (rms < tolerance.least_rms) {
      note(fmt::format("{}: rms error / std {:.3g} is below {:.3g}: {} arithmetic did not run",
                       output, rms, tolerance.least_rms, dtype_name(dtype)));
    }
  }
};

void check_count(const std::string& directory, const std::string& output, size_t expected,
                 size_t found) {
  if (found == expected) return;
  fail(ErrorCode::kCorrupt, kWhere, "{}: {} has {} values, the model gives {}", directory, output,
       expected, found);
}

void run_text(const std::string& directory, const Json& info, const SafetensorsFile& golden,
              DecoderSession& session, Verdict& verdict) {
  const std::string output = session.plan().encodes ? "hidden" : "logits";
  const double std_dev = deviation(info, golden, directory + "/golden.json", output);
  ErrorSum errors;
  std::string greedy;
  for (int i = 0; golden.contains(fmt::format("input_ids.{}", i)); ++i) {
    const auto prompt = integers(golden.require(fmt::format("input_ids.{}", i)));
    const WeightInfo* answer = golden.find(fmt::format("greedy.{}", i));
    session.reset(static_cast<int64_t>(prompt.size()) + (answer ? answer->elements() : 0));
    const auto expected = floats(golden.require(fmt::format("{}.{}", output, i)));
    if (prompt.empty())
      fail(ErrorCode::kCorrupt, kWhere, "{}: input_ids.{} is empty", directory, i);
    const auto found = session.forward(prompt, true);
    check_count(directory, fmt::format("{}.{}", output, i), expected.size(), found.size());
    errors.add(found, expected);
    if (const std::string pooled = fmt::format("pooled.{}", i); golden.contains(pooled)) {
      errors.add(pooled_row(session), floats(golden.require(pooled)));
    }
    const std::string name = fmt::format("greedy.{}", i);
    if (!golden.contains(name)) continue;
    const auto tokens = integers(golden.require(name));
    const auto gaps = floats(golden.require(fmt::format("greedy_gap.{}", i)));
    if (gaps.size() != tokens.size()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {} has {} tokens, greedy_gap.{} {} gaps", directory,
           name, tokens.size(), i, gaps.size());
    }
    const std::string wrong = check_greedy(session, found, tokens, gaps,
                                           2 * verdict.tolerance.max * std_dev, verdict.result);
    if (greedy.empty()) greedy = wrong;
  }
  if (errors.count == 0) fail(ErrorCode::kCorrupt, kWhere, "{}: no input_ids.0", directory);
  verdict.judge(output, errors, std_dev);
  if (!greedy.empty()) verdict.note(greedy);
}

// A tensor of one entry for each example, cut.
template <class T>
std::vector<T> example(const std::vector<T>& all, int64_t index, int64_t count) {
  const auto size = static_cast<int64_t>(all.size()) / count;
  return {all.begin() + index * size, all.begin() + (index + 1) * size};
}

// The reference's [columns, rows] row by row.
std::vector<float> by_rows(const std::vector<float>& features, int64_t columns) {
  const auto wide = static_cast<size_t>(columns), rows = features.size() / wide;
  std::vector<float> out(features.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < wide; ++c) out[r * wide + c] = features[c * rows + r];
  }
  return out;
}

// Half of an example's tokens at once, as a prompt, the others one by one.
std::vector<float> forced(DecoderSession& session, const std::vector<int32_t>& tokens) {
  const size_t prompt = (tokens.size() + 1) / 2;
  std::vector<float> out = session.forward({tokens.data(), prompt}, true);
  for (size_t i = prompt; i < tokens.size(); ++i) {
    const std::vector<float> row = session.forward({&tokens[i], 1}, true);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

void run_speech(const std::string& directory, const SafetensorsFile& golden,
                DecoderSession& session, Verdict& verdict) {
  const WeightInfo& info = golden.require("input_features");
  const auto features = floats(info);
  const auto tokens = integers(golden.require("decoder_input_ids"));
  const auto logits = floats(golden.require("logits"));
  std::vector<float> hidden;
  if (golden.contains("encoder_hidden")) hidden = floats(golden.require("encoder_hidden"));
  const int64_t columns = session.plan().encoder->feature_columns;
  if (info.shape.size() != 3 || info.shape[0] < 1 || info.shape[1] != columns || tokens.empty()) {
    fail(ErrorCode::kCorrupt, kWhere,
         "{}: input_features: expected examples of {} columns with tokens, found {} and {} tokens",
         directory, columns, shape_text(info.shape), tokens.size());
  }
  const int64_t count = info.shape[0];
  ErrorSum encoded, decoded;
  for (int64_t i = 0; i < count; ++i) {
    const auto found = session.encode(by_rows(example(features, i, count), columns));
    if (!hidden.empty()) {
      const auto expected = example(hidden, i, count);
      check_count(directory, "encoder_hidden", expected.size(), found.size());
      encoded.add(found, expected);
    }
    const auto expected = example(logits, i, count);
    const auto rows = forced(session, example(tokens, i, count));
    check_count(directory, "logits", expected.size(), rows.size());
    decoded.add(rows, expected);
  }
  if (encoded.count > 0) {
    verdict.judge("encoder_hidden", encoded,
                  checked_deviation(deviation_of(hidden), "encoder_hidden", directory));
  }
  verdict.judge("logits", decoded, checked_deviation(deviation_of(logits), "logits", directory));
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
  const bool speech = session.plan().encoder.has_value();
  result.continues = !session.plan().encodes && !speech;
  Verdict verdict = {dtype, tolerance_of(dtype), result, {}};
  if (speech) {
    run_speech(directory, *golden, session, verdict);
  } else {
    run_text(directory, info, *golden, session, verdict);
  }
  result.measured = true;
  result.kernels = session.executor().kernels_used();
  if (!options.reference && only_references_ran(result.kernels, device)) {
    verdict.note(kOnlyReferences);
  }
  result.status = verdict.problem.empty() ? "pass" : "fail";
  result.reason = verdict.problem;
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
