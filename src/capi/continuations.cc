#include "capi/continuations.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "runtime/decoder_session.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "capi/continuations";
constexpr int64_t kChunk = 512;  // prompt tokens of a step

struct Case {
  std::string name;
  std::vector<int32_t> prompt, greedy;
  std::vector<double> gaps;  // best minus second-best logit, by greedy token
  std::map<int32_t, double> first_logprobs;
};

[[noreturn]] void corrupt(const std::string& path, const std::string& name,
                          const std::string& what) {
  fail(ErrorCode::kCorrupt, kWhere, "{}: case '{}': {}", path, name, what);
}

std::vector<int32_t> read_ids(const Json& json, std::string_view key, const std::string& path) {
  std::vector<int32_t> out;
  for (int64_t id : json_require<std::vector<int64_t>>(json, key, kWhere, path)) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      fail(ErrorCode::kCorrupt, kWhere, "{}: {}: expected token ids, found {}", path, key, id);
    }
    out.push_back(static_cast<int32_t>(id));
  }
  return out;
}

Case read_case(const Json& json, const std::string& path) {
  Case out;
  if (!json.is_object()) corrupt(path, "?", "expected an object");
  out.name = json_require<std::string>(json, "name", kWhere, path);
  out.prompt = read_ids(json, "input_ids", path);
  out.greedy = read_ids(json, "greedy", path);
  out.gaps = json_require<std::vector<double>>(json, "greedy_gap", kWhere, path);
  if (out.prompt.empty() || out.greedy.empty() || out.gaps.size() != out.greedy.size()) {
    corrupt(path, out.name,
            fmt::format("expected a prompt, tokens and a gap for each, found {}, {} and {}",
                        out.prompt.size(), out.greedy.size(), out.gaps.size()));
  }
  const auto first = json.find("first_logprobs");
  if (first == json.end() || !first->is_object() || first->empty()) {
    corrupt(path, out.name, "expected first_logprobs by id, found none");
  }
  for (const auto& [text, value] : first->items()) {
    int32_t id = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, id);
    if (error != std::errc() || stop != end || !value.is_number()) {
      corrupt(path, out.name,
              fmt::format("first_logprobs: expected id and number, found '{}'", text));
    }
    out.first_logprobs[id] = value.get<double>();
  }
  return out;
}

std::vector<Case> read_cases(const std::string& path) {
  const Json json = parse_json(read_file(path), kWhere, path);
  if (!json.is_object() || !json.contains("cases") || !json["cases"].is_array() ||
      json["cases"].empty()) {
    fail(ErrorCode::kCorrupt, kWhere, "{}: expected a list of 'cases', found none", path);
  }
  std::vector<Case> out;
  for (const Json& one : json["cases"]) out.push_back(read_case(one, path));
  return out;
}

// Before any of them runs: the work grows with the square of a prompt's length.
void check_fits(const Case& c, const DecoderPlan& plan, const std::string& path) {
  const int64_t most = plan.trained_len > 0 ? plan.trained_len : plan.max_seq_len;
  const auto length = static_cast<int64_t>(c.prompt.size() + c.greedy.size());
  if (length > most) {
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: case '{}': expected at most the model's {} tokens, found {}", path, c.name, most,
         length);
  }
  for (const std::vector<int32_t>* ids : {&c.prompt, &c.greedy}) {
    const int32_t largest = *std::max_element(ids->begin(), ids->end());
    if (largest < plan.vocab_size) continue;
    fail(ErrorCode::kInvalidArgument, kWhere,
         "{}: case '{}': token id {} is outside the model's vocabulary of {}", path, c.name,
         largest, plan.vocab_size);
  }
}

// Differences from the listed logarithms of probabilities.
void measure_first(const std::vector<float>& logits, const Case& c, const std::string& path,
                   GoldenResult& result) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float x : logits) sum += std::exp(x - best);
  double squares = 0;
  for (const auto& [id, expected] : c.first_logprobs) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
      corrupt(path, c.name, fmt::format("first_logprobs: no id {}", id));
    }
    const double found = logits[static_cast<size_t>(id)] - best - std::log(sum);
    const double error = std::fabs(found - expected);
    squares += error * error;
    // NaN must not hide: it compares false everywhere.
    if (error >= result.max_error || std::isnan(error)) result.max_error = error;
  }
  result.rms_error = std::sqrt(squares / static_cast<double>(c.first_logprobs.size()));
  result.measured = true;
}

struct Allowed {
  double gap;    // of the reference, where another token passes
  double error;  // of the first token's logarithms
};

GoldenResult run_case(DecoderSession& session, const Case& c, const std::string& path,
                      const Allowed& allowed) {
  GoldenResult result;
  result.name = c.name;
  session.reset(static_cast<int64_t>(c.prompt.size() + c.greedy.size()));
  std::vector<float> logits = session.forward(c.prompt, false);
  measure_first(logits, c, path, result);
  for (size_t i = 0; i < c.greedy.size(); ++i) {
    const auto token =
        static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    ++result.greedy_total;
    result.greedy_match += token == c.greedy[i];
    if (token != c.greedy[i] && c.gaps[i] > allowed.gap && result.reason.empty()) {
      result.reason = fmt::format("greedy token {}: expected {}, found {} (gap {:.4g})", i,
                                  c.greedy[i], token, c.gaps[i]);
    }
    if (i + 1 < c.greedy.size()) logits = session.forward({&c.greedy[i], 1}, false);
  }
  if (!(result.max_error <= allowed.error)) {
    result.reason = fmt::format("first token's log probabilities differ by {:.3g}, allowed {:.3g}",
                                result.max_error, allowed.error);
  }
  return result;
}

}  // namespace

bool is_continuations_file(const std::string& path) {
  return path.ends_with(".json") && is_regular_file(path);
}

std::vector<GoldenResult> run_continuations(const std::string& path, const std::string& model,
                                            const GoldenOptions& options, Device& device) {
  const std::vector<Case> cases = read_cases(path);
  size_t longest = 0;
  for (const Case& c : cases) longest = std::max(longest, c.prompt.size() + c.greedy.size());
  const DType dtype = options.dtype.value_or(DType::kFloat32);
  const bool exact = dtype == DType::kFloat32;
  LoadOptions load;
  load.tune = false;
  load.build.dtype = options.arithmetic;
  if (!load.build.dtype && !exact) load.build.dtype = dtype;
  ExecutorOptions execution;
  execution.selection.reference = options.reference;
  const std::shared_ptr<const Engine> engine =
      build_engine(resolve_any(model), load, &device, nullptr);
  const DecoderPlan decoder = read_decoder_plan(engine->plan);
  for (const Case& c : cases) check_fits(c, decoder, path);
  DecoderSession session(engine, device, static_cast<int64_t>(longest), kChunk, execution);
  const Allowed allowed = exact ? Allowed{-1, 1e-3} : Allowed{0.5, 0.5};
  std::vector<GoldenResult> out;
  out.reserve(cases.size());
  for (const Case& c : cases) out.push_back(run_case(session, c, path, allowed));
  const std::vector<std::string> kernels = session.executor().kernels_used();
  for (GoldenResult& result : out) {
    result.kernels = kernels;
    if (result.reason.empty() && !options.reference && only_references_ran(kernels, device)) {
      result.reason = kOnlyReferences;
    }
    result.status = result.reason.empty() ? "pass" : "fail";
  }
  return out;
}

}  // namespace ingot
