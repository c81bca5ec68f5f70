#include "runtime/sample_plan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/random.h"

namespace ingot {
namespace {

// Rows of one run of the plan: bounds its memory at a few vocabularies.
constexpr size_t kGroupRows = 8;
// Plans kept; a server sees a handful of combinations.
constexpr size_t kMaxVariants = 32;

Dim samples() { return Dim::symbol("samples"); }

// The seed of a choice's stream. Choice 0 has its own too, so that no two requests' choices meet.
int64_t stream_seed(const SampleRow& row) {
  return static_cast<int64_t>(
      random_u64(row.params->seed, static_cast<uint64_t>(static_cast<uint32_t>(row.choice))));
}

bool is_banned_now(const SampleRow& row) { return row.output_len() < row.params->min_tokens; }

}  // namespace

int32_t wanted_logprobs(const SamplingParams& params) {
  if (params.beam_width > 1) return std::max(params.logprobs, 2 * params.beam_width);
  return params.logprobs;
}

SampleBuilder::SampleBuilder(int64_t vocab_size, std::string name) : plan_(std::move(name)) {
  raw_logits_ = logits_ = named("logits", DType::kFloat32, {samples(), vocab_size});
}

int SampleBuilder::named(std::string_view name, DType dtype, SymShape shape) {
  auto it = inputs_.find(name);
  if (it != inputs_.end()) return it->second;
  const int value = plan_.input(name, dtype, std::move(shape));
  inputs_.emplace(name, value);
  return value;
}

int SampleBuilder::list(std::string_view name, std::string_view symbol) {
  return named(name, DType::kInt32, {Dim::symbol(symbol)});
}

int SampleBuilder::offsets(std::string_view name) {
  return named(name, DType::kInt32, {samples() + 1});
}

int SampleBuilder::prompt_lengths() { return named("prompt_lengths", DType::kInt32, {samples()}); }

int SampleBuilder::row_param(std::string_view name, DType dtype,
                             double (*value)(const SamplingParams&)) {
  if (inputs_.count(name) == 0) params_.push_back({std::string(name), dtype, value});
  return named(name, dtype, {samples()});
}

struct Sampler::Variant {
  std::vector<RowParam> params;
  bool history = false, prompt_lengths = false, banned = false;
  int32_t top = -1;  // logprobs, rounded up
  std::unique_ptr<Executor> executor;
};

Sampler::Sampler(Device& device, int64_t vocab_size, int64_t max_tokens)
    : device_(device), vocab_size_(vocab_size), max_tokens_(max_tokens) {
  CHECK(device.host_visible());
}

Sampler::~Sampler() = default;

Sampler::Variant& Sampler::variant_for(std::span<const SampleRow> rows) {
  std::vector<const SamplerRule*> active;
  std::string signature;
  for (const SamplerRule* rule : sampler_rules()) {
    const bool any = std::any_of(rows.begin(), rows.end(),
                                 [&](const SampleRow& row) { return rule->active(*row.params); });
    if (!any) continue;
    active.push_back(rule);
    signature += std::string(rule->name) + " ";
  }
  int32_t top = -1;
  for (const SampleRow& row : rows) top = std::max(top, wanted_logprobs(*row.params));
  if (top > 0) top = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(top)));
  top = static_cast<int32_t>(std::min<int64_t>(top, vocab_size_));
  signature += std::to_string(top);
  auto it = variants_.find(signature);
  if (it != variants_.end()) return *it->second;
  if (variants_.size() >= kMaxVariants) variants_.clear();

  SampleBuilder b(vocab_size_, "sample");
  for (const SamplerRule* rule : active) rule->lower(b);
  auto value_of_temperature = [](const SamplingParams& p) { return p.temperature; };
  const int temperature = b.row_param("temperature", DType::kFloat32, value_of_temperature);
  const int seeds = b.named("seeds", DType::kInt64, {samples()});
  const int positions = b.named("positions", DType::kInt64, {samples()});
  const int tokens = b.step("sample", {}, {b.logits(), temperature, seeds, positions})[0];
  b.plan_.output(tokens, "tokens");
  if (top >= 0) {
    const auto out = b.step("logprobs", {{"top", int64_t{top}}}, {b.raw_logits_, tokens}, 3);
    b.plan_.output(out[0], "chosen");
    b.plan_.output(out[1], "top_ids");
    b.plan_.output(out[2], "top_values");
  }
  auto variant = std::make_unique<Variant>();
  variant->params = b.params_;
  variant->history = b.inputs_.count("history_ids") != 0;
  variant->prompt_lengths = b.inputs_.count("prompt_lengths") != 0;
  variant->banned = b.inputs_.count("banned_ids") != 0;
  variant->top = top;
  const auto most = static_cast<int64_t>(kGroupRows);
  SymbolValues limits = {{"samples", most}};
  if (variant->history) limits["history"] = most * max_tokens_;
  if (variant->banned) limits["banned"] = most * 2 * kMaxStopIds + 1;
  auto engine = std::make_shared<Engine>();
  engine->plan = b.plan_.finish(limits, {limits});
  variant->executor = std::make_unique<Executor>(std::move(engine), device_, ExecutorOptions{});
  return *(variants_[signature] = std::move(variant));
}

std::string Sampler::plan_text_for(std::span<const SampleRow> rows) {
  return plan_text(variant_for(rows).executor->plan());
}

void Sampler::run(const TensorView& logits, std::span<const SampleRow> rows,
                  std::vector<Drawn>& out) {
  CHECK_EQ(logits.columns(), vocab_size_);
  CHECK(logits.type == ElementType(DType::kFloat32));
  out.assign(rows.size(), {});
  for (size_t begin = 0; begin < rows.size(); begin += kGroupRows) {
    const size_t count = std::min(kGroupRows, rows.size() - begin);
    run_group(logits, rows.subspan(begin, count), out.data() + begin);
  }
}

namespace {

template <typename T>
void set_vector(Executor& executor, std::string_view name, DType dtype, std::vector<T>& values) {
  executor.set_input(
      name,
      {dtype, {static_cast<int64_t>(values.size())}, reinterpret_cast<std::byte*>(values.data())});
}

void set_param(Executor& executor, const RowParam& param, std::span<const SampleRow> rows) {
  auto fill = [&]<typename T>(T) {
    std::vector<T> values;
    for (const SampleRow& row : rows) values.push_back(static_cast<T>(param.value(*row.params)));
    set_vector(executor, param.name, param.dtype, values);
  };
  if (param.dtype == DType::kFloat32) return fill(float{});
  if (param.dtype == DType::kInt32) return fill(int32_t{});
  CHECK(param.dtype == DType::kInt64);
  fill(int64_t{});
}

}  // namespace

void Sampler::fill_lists(Variant& v, std::span<const SampleRow> rows) {
  std::vector<int32_t> ids, offsets = {0};
  if (v.history) {
    for (const SampleRow& row : rows) {
      CHECK_LE(static_cast<int64_t>(row.history.size()), max_tokens_);
      ids.insert(ids.end(), row.history.begin(), row.history.end());
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
    set_vector(*v.executor, "history_ids", DType::kInt32, ids);
    set_vector(*v.executor, "history_offsets", DType::kInt32, offsets);
  }
  if (v.prompt_lengths) {
    std::vector<int32_t> lengths;
    for (const SampleRow& row : rows) lengths.push_back(static_cast<int32_t>(row.prompt_len));
    set_vector(*v.executor, "prompt_lengths", DType::kInt32, lengths);
  }
  if (!v.banned) return;
  ids.clear();
  offsets.assign(1, 0);
  for (const SampleRow& row : rows) {
    if (is_banned_now(row)) {
      const SamplingParams& p = *row.params;
      ids.insert(ids.end(), p.eos_token_ids.begin(), p.eos_token_ids.end());
      ids.insert(ids.end(), p.stop_token_ids.begin(), p.stop_token_ids.end());
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  ids.push_back(-1);  // belongs to no row: the input is never empty
  set_vector(*v.executor, "banned_ids", DType::kInt32, ids);
  set_vector(*v.executor, "banned_offsets", DType::kInt32, offsets);
}

void Sampler::run_group(const TensorView& logits, std::span<const SampleRow> rows, Drawn* out) {
  Variant& v = variant_for(rows);
  const TensorView input = v.executor->input_storage("logits");
  v.executor->set_symbol("samples", static_cast<int64_t>(rows.size()));
  std::vector<int64_t> seeds, positions;
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(!rows[i].history.empty());
    CHECK_LT(rows[i].logit_row, logits.rows());
    std::memcpy(input.row(static_cast<int64_t>(i)), logits.row(rows[i].logit_row),
                static_cast<size_t>(vocab_size_) * sizeof(float));
    seeds.push_back(stream_seed(rows[i]));
    positions.push_back(static_cast<int64_t>(rows[i].history.size()));
  }
  set_vector(*v.executor, "seeds", DType::kInt64, seeds);
  set_vector(*v.executor, "positions", DType::kInt64, positions);
  for (const RowParam& param : v.params) set_param(*v.executor, param, rows);
  fill_lists(v, rows);
  v.executor->run();
  const TensorView tokens = v.executor->output("tokens");
  for (size_t i = 0; i < rows.size(); ++i) out[i].token = tokens.as<int32_t>()[i];
  if (v.top < 0) return;
  const TensorView chosen = v.executor->output("chosen");
  const TensorView ids = v.executor->output("top_ids");
  const TensorView values = v.executor->output("top_values");
  for (size_t i = 0; i < rows.size(); ++i) {
    if (wanted_logprobs(*rows[i].params) < 0) continue;
    const auto want = static_cast<size_t>(wanted_logprobs(*rows[i].params));
    out[i].logprobs.chosen = chosen.as<float>()[i];
    for (size_t k = 0; k < std::min(want, static_cast<size_t>(v.top)); ++k) {
      const size_t at = i * static_cast<size_t>(v.top) + k;
      if (ids.as<int32_t>()[at] < 0) break;
      out[i].logprobs.top.emplace_back(ids.as<int32_t>()[at], values.as<float>()[at]);
    }
  }
}

}  // namespace ingot
