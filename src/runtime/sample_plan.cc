#include "runtime/sample_plan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/random.h"
#include "tensor/buffer.h"

namespace ingot {
namespace {

// Rows of one run of the plan: bounds its memory at a few vocabularies on the host, and keeps a
// GPU's launches few.
constexpr size_t kHostGroupRows = 8;
constexpr size_t kDeviceGroupRows = 256;
// Plans kept; a server sees a handful of combinations.
constexpr size_t kMaxVariants = 32;

Dim samples() { return Dim::symbol("samples"); }

// The seed of a choice's stream. Choice 0 has its own too, so that no two requests' choices meet.
int64_t stream_seed(const SampleRow& row) {
  return static_cast<int64_t>(
      random_u64(row.params->seed, static_cast<uint64_t>(static_cast<uint32_t>(row.choice))));
}

constexpr int64_t kVocabWords = -1;

// Lists of ids, or of words of bits, that rules work with.
struct ListKind {
  std::string_view what;
  int64_t most;  // ids of a row; kVocabWords: a bit for each token of the vocabulary
  bool reads_history;
  bool has_values;
  void (*add)(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>& values);
};

void add_banned(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>&) {
  const SamplingParams& p = *row.params;
  if (row.output_len() >= p.min_tokens) return;
  ids.insert(ids.end(), p.eos_token_ids.begin(), p.eos_token_ids.end());
  ids.insert(ids.end(), p.stop_token_ids.begin(), p.stop_token_ids.end());
}

void add_bias(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>& values) {
  for (const auto& [id, value] : row.params->logit_bias) {
    ids.push_back(id);
    values.push_back(value);
  }
}

void add_allowed(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>&) {
  const auto& allowed = row.params->allowed_token_ids;
  ids.insert(ids.end(), allowed.begin(), allowed.end());
}

void add_bad_words(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>&) {
  bad_word_ends(*row.params, row.history.subspan(static_cast<size_t>(row.prompt_len)), ids);
}

void add_mask(const SampleRow& row, std::vector<int32_t>& ids, std::vector<float>&) {
  ids.insert(ids.end(), row.mask.begin(), row.mask.end());
}

const ListKind& list_kind(std::string_view what) {
  static constexpr ListKind kKinds[] = {
      {"banned", 2 * kMaxStopIds, false, false, add_banned},
      {"bias", kMaxBiasIds, false, true, add_bias},
      {"allowed", kMaxAllowedIds, false, false, add_allowed},
      {"bad_word", kMaxBadWords, true, false, add_bad_words},
      {"mask", kVocabWords, true, false, add_mask},
  };
  for (const ListKind& kind : kKinds) {
    if (kind.what == what) return kind;
  }
  CHECK(false);
  return kKinds[0];
}

int32_t wanted_of(const SampleRow& row) {
  return row.given >= 0 ? row.params->prompt_logprobs : wanted_logprobs(*row.params);
}

std::string list_input(std::string_view what, std::string_view part) {
  return fmt::format("{}_{}", what, part);
}

}  // namespace

int32_t wanted_logprobs(const SamplingParams& params) {
  if (params.beam_width > 1) return std::max(params.logprobs, beam_candidate_count(params));
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

int SampleBuilder::list_ids(std::string_view what) {
  if (std::find(lists_.begin(), lists_.end(), what) == lists_.end()) lists_.emplace_back(what);
  return list(list_input(what, "ids"), what);
}

int SampleBuilder::list_offsets(std::string_view what) {
  return offsets(list_input(what, "offsets"));
}

int SampleBuilder::list_values(std::string_view what) {
  return named(list_input(what, "values"), DType::kFloat32, {Dim::symbol(what)});
}

int SampleBuilder::prompt_lengths() { return named("prompt_lengths", DType::kInt32, {samples()}); }

int SampleBuilder::row_param(std::string_view name, DType dtype,
                             double (*value)(const SamplingParams&)) {
  if (inputs_.count(name) == 0) params_.push_back({std::string(name), dtype, value});
  return named(name, dtype, {samples()});
}

struct Sampler::Variant {
  std::vector<RowParam> params;
  bool draws = true;  // else the tokens are given
  bool history = false, prompt_lengths = false;
  bool matches = false;  // lists depend on the history
  std::vector<std::string> lists;
  int32_t top = -1;  // logprobs, rounded up
  std::unique_ptr<Executor> executor;
  Buffer gathered;  // logits of rows that do not follow each other; made when first needed
};

// Results on their way to the host.
struct Sampler::Turn {
  struct Group {
    size_t first = 0, rows = 0;
    int32_t top = -1;
  };
  // One for each row of the step; `top` ids and values follow each other by group.
  HostBuffer tokens, chosen, top_ids, top_values;
  size_t top_used = 0;  // elements of top_ids
  std::vector<Group> groups;
  std::vector<int32_t> wanted;  // logprobs of each row
  std::vector<TokenId> given;   // of each row
  std::unique_ptr<Event> done;
};

Sampler::Sampler(Device& device, int64_t vocab_size, Options options)
    : device_(device),
      vocab_size_(vocab_size),
      options_(options),
      own_stream_(options.stream ? nullptr : device.make_stream()),
      group_rows_(device.host_visible() ? kHostGroupRows : kDeviceGroupRows) {
  CHECK_GT(options.max_rows, 0);
  CHECK_GT(options.max_tokens, 0);
  group_rows_ = std::min(group_rows_, static_cast<size_t>(options.max_rows));
  if (own_stream_) options_.stream = own_stream_.get();
  for (auto& turn : turns_) {
    turn = std::make_unique<Turn>();
    const auto bytes = static_cast<size_t>(options.max_rows) * sizeof(int32_t);
    turn->tokens = HostBuffer(device, bytes);
    turn->chosen = HostBuffer(device, bytes);
    turn->done = device.make_event();
  }
}

Sampler::~Sampler() = default;

Sampler::Variant& Sampler::variant_for(std::span<const SampleRow> rows) {
  int32_t top = -1;
  for (const SampleRow& row : rows) top = std::max(top, wanted_of(row));
  if (top > 0) top = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(top)));
  top = static_cast<int32_t>(std::min<int64_t>(top, vocab_size_));
  if (rows[0].given >= 0) return scoring_variant(top);
  std::vector<const SamplerRule*> active;
  std::string signature;
  for (const SamplerRule* rule : sampler_rules()) {
    const bool any = std::any_of(rows.begin(), rows.end(),
                                 [&](const SampleRow& row) { return rule->active(*row.params); });
    if (!any) continue;
    active.push_back(rule);
    signature += std::string(rule->name) + " ";
  }
  signature += std::to_string(top);
  auto it = variants_.find(signature);
  if (it != variants_.end()) return *it->second;

  SampleBuilder b(vocab_size_, "sample");
  for (const SamplerRule* rule : active) rule->lower(b);
  auto value_of_temperature = [](const SamplingParams& p) { return p.temperature; };
  const int temperature = b.row_param("temperature", DType::kFloat32, value_of_temperature);
  const int seeds = b.named("seeds", DType::kInt64, {samples()});
  const int positions = b.named("positions", DType::kInt64, {samples()});
  const int tokens = b.step("sample", {}, {b.logits(), temperature, seeds, positions})[0];
  b.plan_.output(tokens, "tokens");
  if (options_.kept.present()) {
    const int kept = b.plan_.input("kept", DType::kInt32, {options_.kept.elements()});
    b.step("keep_tokens", {}, {kept, b.named("slots", DType::kInt32, {samples()}), tokens});
  }
  if (top >= 0) {
    const auto out = b.step("logprobs", {{"top", int64_t{top}}}, {b.raw_logits_, tokens}, 3);
    b.plan_.output(out[0], "chosen");
    b.plan_.output(out[1], "top_ids");
    b.plan_.output(out[2], "top_values");
  }
  return add_variant(signature, b, top);
}

// Of tokens that are given: their logprobs alone.
Sampler::Variant& Sampler::scoring_variant(int32_t top) {
  const std::string signature = fmt::format("given {}", top);
  auto it = variants_.find(signature);
  if (it != variants_.end()) return *it->second;
  SampleBuilder b(vocab_size_, "score");
  const int given = b.named("given", DType::kInt32, {samples()});
  const auto out = b.step("logprobs", {{"top", int64_t{top}}}, {b.raw_logits_, given}, 3);
  b.plan_.output(out[0], "chosen");
  b.plan_.output(out[1], "top_ids");
  b.plan_.output(out[2], "top_values");
  return add_variant(signature, b, top);
}

Sampler::Variant& Sampler::add_variant(const std::string& signature, SampleBuilder& b,
                                       int32_t top) {
  if (variants_.size() >= kMaxVariants) variants_.clear();
  auto variant = std::make_unique<Variant>();
  variant->draws = b.inputs_.count("given") == 0;
  variant->params = b.params_;
  variant->history = b.inputs_.count("history_ids") != 0;
  variant->prompt_lengths = b.inputs_.count("prompt_lengths") != 0;
  variant->lists = b.lists_;
  variant->top = top;
  const auto most = static_cast<int64_t>(group_rows_);
  SymbolValues limits = {{"samples", most}};
  if (variant->history) limits["history"] = most * options_.max_tokens;
  for (const std::string& what : variant->lists) {
    const ListKind& kind = list_kind(what);
    limits[what] = most * (kind.most == kVocabWords ? (vocab_size_ + 31) / 32 : kind.most) + 1;
    variant->matches = variant->matches || kind.reads_history;
  }
  auto engine = std::make_shared<Engine>();
  engine->plan = b.plan_.finish(limits, {limits});
  ExecutorOptions options;
  options.stream = options_.stream;
  // All groups of a step run on it behind those of the step before, and none is waited for here.
  options.runs_ahead = kTurns * ((static_cast<size_t>(options_.max_rows) - 1) / group_rows_ + 1);
  variant->executor = std::make_unique<Executor>(std::move(engine), device_, std::move(options));
  if (variant->draws && options_.kept.present()) {
    variant->executor->share_input("kept", options_.kept);
  }
  return *(variants_[signature] = std::move(variant));
}

std::string Sampler::plan_text_for(std::span<const SampleRow> rows) {
  return plan_text(variant_for(rows).executor->plan());
}

bool Sampler::reads_history(std::span<const SampleRow> rows) {
  if (rows.empty()) return false;
  const Variant& v = variant_for(rows);
  return v.history || v.matches;
}

void Sampler::run(const TensorView& logits, std::span<const SampleRow> rows,
                  std::vector<Drawn>& out) {
  submit(logits, rows, 0);
  collect(0, out);
}

void Sampler::submit(const TensorView& logits, std::span<const SampleRow> rows, size_t index) {
  CHECK_EQ(logits.columns(), vocab_size_);
  CHECK(logits.type == ElementType(DType::kFloat32));
  CHECK_LE(rows.size(), static_cast<size_t>(options_.max_rows));
  Turn& turn = *turns_.at(index);
  turn.groups.clear();
  turn.wanted.clear();
  turn.top_used = 0;
  size_t top = 0;  // elements at most
  turn.given.clear();
  for (const SampleRow& row : rows) {
    turn.given.push_back(row.given);
    turn.wanted.push_back(wanted_of(row));
    top = std::max(top, static_cast<size_t>(std::max(0, turn.wanted.back())));
  }
  top = std::bit_ceil(top) * rows.size();
  if (turn.top_ids.size() < top * sizeof(int32_t)) {
    turn.top_ids = HostBuffer(device_, top * sizeof(int32_t));
    turn.top_values = HostBuffer(device_, top * sizeof(float));
  }
  const auto drawn =
      std::find_if(rows.begin(), rows.end(), [](const SampleRow& row) { return row.given >= 0; });
  const auto draws = static_cast<size_t>(drawn - rows.begin());
  for (size_t begin = 0; begin < rows.size();) {
    const size_t end = begin < draws ? draws : rows.size();
    const size_t count = std::min(group_rows_, end - begin);
    submit_group(logits, rows.subspan(begin, count), begin, turn);
    begin += count;
  }
  turn.done->record(*options_.stream);
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

void Sampler::fill_history(Variant& v, std::span<const SampleRow> rows) {
  std::vector<int32_t> ids, offsets = {0};
  for (const SampleRow& row : rows) {
    CHECK_LE(static_cast<int64_t>(row.history.size()), options_.max_tokens);
    ids.insert(ids.end(), row.history.begin(), row.history.end());
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  set_vector(*v.executor, "history_ids", DType::kInt32, ids);
  set_vector(*v.executor, "history_offsets", DType::kInt32, offsets);
  if (!v.prompt_lengths) return;
  std::vector<int32_t> lengths;
  for (const SampleRow& row : rows) lengths.push_back(static_cast<int32_t>(row.prompt_len));
  set_vector(*v.executor, "prompt_lengths", DType::kInt32, lengths);
}

void Sampler::fill_list(Variant& v, std::string_view what, std::span<const SampleRow> rows) {
  const ListKind& kind = list_kind(what);
  std::vector<int32_t> ids, offsets = {0};
  std::vector<float> values;
  for (const SampleRow& row : rows) {
    kind.add(row, ids, values);
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  ids.push_back(-1);  // belongs to no row: the input is never empty
  values.resize(ids.size(), 0.0f);
  set_vector(*v.executor, list_input(what, "ids"), DType::kInt32, ids);
  set_vector(*v.executor, list_input(what, "offsets"), DType::kInt32, offsets);
  if (kind.has_values) {
    set_vector(*v.executor, list_input(what, "values"), DType::kFloat32, values);
  }
}

// Rows that follow each other are read where they are; others are gathered.
void Sampler::take_logits(Variant& v, const TensorView& logits, std::span<const SampleRow> rows) {
  bool in_order = logits.is_packed();
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK_LT(rows[i].logit_row, logits.rows());
    in_order = in_order && rows[i].logit_row == rows[0].logit_row + static_cast<int32_t>(i);
  }
  if (in_order) {
    TensorView view = logits;
    view.data = logits.row(rows[0].logit_row);
    v.executor->share_input("logits", view);
  } else {
    const auto bytes = static_cast<size_t>(vocab_size_) * sizeof(float);
    if (v.gathered.size() == 0) v.gathered = Buffer(device_, group_rows_ * bytes);
    for (size_t i = 0; i < rows.size(); ++i) {
      v.executor->copy_within(v.gathered.data() + i * bytes, logits.row(rows[i].logit_row), bytes);
    }
    v.executor->share_input(
        "logits",
        {DType::kFloat32, {static_cast<int64_t>(group_rows_), vocab_size_}, v.gathered.data()});
  }
  v.executor->set_symbol("samples", static_cast<int64_t>(rows.size()));
}

void Sampler::set_draws(Variant& v, std::span<const SampleRow> rows) {
  std::vector<int64_t> seeds, positions;
  std::vector<int32_t> slots;
  for (const SampleRow& row : rows) {
    CHECK(!row.history.empty());
    CHECK(row.unread == 0 || !(v.history || v.matches));
    seeds.push_back(stream_seed(row));
    positions.push_back(row.length());
    slots.push_back(row.slot);
  }
  set_vector(*v.executor, "seeds", DType::kInt64, seeds);
  set_vector(*v.executor, "positions", DType::kInt64, positions);
  if (options_.kept.present()) set_vector(*v.executor, "slots", DType::kInt32, slots);
  for (const RowParam& param : v.params) set_param(*v.executor, param, rows);
  if (v.history) fill_history(v, rows);
  for (const std::string& what : v.lists) fill_list(v, what, rows);
}

void Sampler::submit_group(const TensorView& logits, std::span<const SampleRow> rows, size_t first,
                           Turn& turn) {
  Variant& v = variant_for(rows);
  take_logits(v, logits, rows);
  if (v.draws) {
    set_draws(v, rows);
  } else {
    std::vector<int32_t> given;
    for (const SampleRow& row : rows) given.push_back(row.given);
    set_vector(*v.executor, "given", DType::kInt32, given);
  }
  v.executor->submit(false);
  auto fetch = [&](std::string_view name, std::byte* target) {
    const TensorView view = v.executor->output(name);
    device_.copy_out(target, view.data, static_cast<size_t>(view.bytes()), *options_.stream);
  };
  turn.groups.push_back({first, rows.size(), v.top});
  if (v.draws) fetch("tokens", turn.tokens.data() + first * sizeof(int32_t));
  if (v.top < 0) return;
  fetch("chosen", turn.chosen.data() + first * sizeof(float));
  if (v.top == 0) return;
  fetch("top_ids", turn.top_ids.data() + turn.top_used * sizeof(int32_t));
  fetch("top_values", turn.top_values.data() + turn.top_used * sizeof(float));
  turn.top_used += rows.size() * static_cast<size_t>(v.top);
}

void Sampler::collect(size_t index, std::vector<Drawn>& out) {
  Turn& turn = *turns_.at(index);
  turn.done->synchronize();
  out.assign(turn.wanted.size(), {});
  const auto* tokens = reinterpret_cast<const int32_t*>(turn.tokens.data());
  const auto* chosen = reinterpret_cast<const float*>(turn.chosen.data());
  const auto* ids = reinterpret_cast<const int32_t*>(turn.top_ids.data());
  const auto* values = reinterpret_cast<const float*>(turn.top_values.data());
  size_t at = 0;
  for (const Turn::Group& group : turn.groups) {
    const auto top = static_cast<size_t>(std::max(0, group.top));
    for (size_t i = group.first; i < group.first + group.rows; ++i, at += top) {
      Drawn& drawn = out[i];
      drawn.token = turn.given[i] >= 0 ? turn.given[i] : tokens[i];
      if (turn.wanted[i] < 0) continue;
      drawn.has_logprobs = true;
      drawn.logprobs.chosen = chosen[i];
      for (size_t k = 0; k < std::min(static_cast<size_t>(turn.wanted[i]), top); ++k) {
        if (ids[at + k] < 0) break;
        drawn.logprobs.top.emplace_back(ids[at + k], values[at + k]);
      }
    }
  }
}

}  // namespace ingot
