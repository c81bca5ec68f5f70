#include "runtime/decoder_step.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace ingot {
namespace {

constexpr std::string_view kWhere = "runtime/decoder_step";
constexpr std::array<std::string_view, 6> kDecoderInputs = {
    "token_ids", "positions", "token_rows", "query_offsets", "context_lengths", "logit_rows"};
constexpr std::string_view kTablePrefix = "block_tables";
constexpr std::array<std::string_view, 4> kEncoderInputs = {"features", "frame_positions",
                                                            "frame_rows", "frame_offsets"};

const PlanValue* find_input(const Plan& plan, std::string_view name) {
  const int id = plan.find(name);
  if (id == kNoValue) return nullptr;
  const PlanValue& value = plan.values[static_cast<size_t>(id)];
  return value.kind == PlanValue::Kind::kInput ? &value : nullptr;
}

// The symbol that a dimension is, or nothing.
std::string symbol_of(const Dim& dim) {
  const std::vector<std::string> names = dim.symbols();
  return names.size() == 1 && dim == Dim::symbol(names[0]) ? names[0] : std::string();
}

class DecoderPlanReader {
 public:
  explicit DecoderPlanReader(const Plan& plan) : plan_(plan) { out_.name = plan.name; }

  DecoderPlan read(EncoderUse encoder) {
    read_output();
    for (const PlanStateGroup& group : plan_.groups) {
      if (group.kind == "cross") {
        if (encoder == EncoderUse::kRefused) refuse_encoder(group);
        add_encoder(group);
      } else {
        add_group(group);
      }
    }
    if (out_.tables.empty()) bad("no paged state group: not a text model");
    for (int id : plan_.states) add_state(plan_.values[static_cast<size_t>(id)]);
    out_.rotations = read_rotations(plan_);
    check_inputs();
    for (const PlanStep& step : plan_.steps) check_window(step);
    read_length();
    if (!out_.rotations.lengths.empty()) check_rotations();
    return std::move(out_);
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail(ErrorCode::kUnsupported, kWhere, "plan '{}': {}", plan_.name, what);
  }

  void read_output() {
    int id = plan_.find("logits");
    out_.encodes = id == kNoValue;
    if (out_.encodes) id = plan_.find("hidden");
    if (id == kNoValue) bad("no output 'logits': not a text model ('ingot exec' runs it)");
    const ValueType& type = plan_.values[static_cast<size_t>(id)].type;
    if (type.shape.size() != 2 || !type.shape[1].is_constant() ||
        !(type.element == ElementType(DType::kFloat32))) {
      bad(fmt::format("{}: expected float32 [rows, columns], found {}",
                      out_.encodes ? "hidden" : "logits", type_text(type)));
    }
    out_.columns = type.shape[1].constant();
    out_.vocab_size = out_.encodes ? embedded_ids() : out_.columns;
  }

  // Rows of the table that token ids pick from.
  int64_t embedded_ids() const {
    const int ids = plan_.find("token_ids");
    for (const PlanStep& step : plan_.steps) {
      if (step.op != "embedding" || step.inputs[0] != ids) continue;
      const SymShape& table = plan_.values[static_cast<size_t>(step.inputs[1])].type.shape;
      if (table[0].is_constant()) return table[0].constant();
    }
    bad("no embedding of 'token_ids' says how many there are");
  }

  void add_group(const PlanStateGroup& group) {
    const bool windowed = group.kind == "windowed";
    if (group.kind != "paged" && !windowed) {
      bad(fmt::format("state group '{}': expected paged or windowed, found {}", group.name,
                      group.kind));
    }
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    if (windowed && (group.window < 1 || group.window > kMost)) {
      bad(fmt::format("state group '{}': window: expected 1 to {}, found {}", group.name, kMost,
                      group.window));
    }
    check_pages(group);
    PageTable& table = table_of(group.name);
    table.name += (table.name.empty() ? "" : "+") + group.name;
    if (windowed) {
      table.window = std::max(table.window, group.window);
    } else {
      table.kind = KvKind::kPaged;
    }
    group_tables_[group.name] = static_cast<size_t>(&table - out_.tables.data());
  }

  [[noreturn]] void refuse_encoder(const PlanStateGroup& group) const {
    bad(
        fmt::format("it listens to audio features (state group '{}' of kind cross), which are not "
                    "served yet ('ingot conformance' runs it)",
                    group.name));
  }

  void add_encoder(const PlanStateGroup& group) {
    if (out_.encoder) bad(fmt::format("state group '{}': expected one of kind cross", group.name));
    check_pages(group);
    for (std::string_view name : kEncoderInputs) {
      if (!find_input(plan_, name)) bad(fmt::format("no input '{}' of an encoder", name));
    }
    EncoderHalf& encoder = out_.encoder.emplace();
    encoder.lengths_input = "context_lengths." + group.name;
    if (!find_input(plan_, encoder.lengths_input)) {
      bad(fmt::format("no input '{}' for the state group '{}'", encoder.lengths_input, group.name));
    }
    encoder.table = new_table(fmt::format("{}.{}", kTablePrefix, group.name), group.name);
    encoder.table.name = cross_group_ = group.name;
    encoder.table.kind = KvKind::kCross;
    const auto limit = plan_.limits.find("frames");
    if (limit == plan_.limits.end() || limit->second < 1) bad("no limit for 'frames'");
    encoder.max_frames = limit->second;
    read_features(encoder);
    encoder.columns = hidden_columns();
  }

  void read_features(EncoderHalf& encoder) const {
    const ValueType& type = find_input(plan_, "features")->type;
    const Dim frames = Dim::symbol("frames");
    const bool matrix = type.shape.size() == 2 && type.shape[1].is_constant() &&
                        type.element == ElementType(DType::kFloat32);
    const Dim rows = matrix ? Dim::floor_div(type.shape[0], frames) : Dim();
    if (!matrix || !rows.is_constant() || rows.constant() < 1) {
      bad(fmt::format("input 'features': expected float32 [frames * rows, columns], found {}",
                      type_text(type)));
    }
    encoder.feature_rows = rows.constant();
    encoder.feature_columns = type.shape[1].constant();
  }

  int64_t hidden_columns() const {
    const int id = plan_.find("encoder_hidden");
    if (id == kNoValue) bad("no output 'encoder_hidden'");
    const ValueType& type = plan_.values[static_cast<size_t>(id)].type;
    if (type.shape.size() != 2 || !type.shape[1].is_constant() ||
        !(type.element == ElementType(DType::kFloat32))) {
      bad(fmt::format("encoder_hidden: expected float32 [frames, columns], found {}",
                      type_text(type)));
    }
    return type.shape[1].constant();
  }

  void check_pages(const PlanStateGroup& group) {
    if (out_.page_tokens == 0) out_.page_tokens = group.page_tokens;
    if (group.page_tokens == out_.page_tokens) return;
    bad(fmt::format("state group '{}': expected pages of {} tokens as in '{}', found {}",
                    group.name, out_.page_tokens, plan_.groups[0].name, group.page_tokens));
  }

  PageTable& table_of(const std::string& group) {
    std::string input = fmt::format("{}.{}", kTablePrefix, group);
    if (!find_input(plan_, input)) input = kTablePrefix;
    for (PageTable& table : out_.tables) {
      if (table.input == input) return table;
    }
    return out_.tables.emplace_back(new_table(std::move(input), group));
  }

  PageTable new_table(std::string input, const std::string& group) const {
    const PlanValue* value = find_input(plan_, input);
    if (!value) bad(fmt::format("no input 'block_tables' for the state group '{}'", group));
    const SymShape& shape = value->type.shape;
    std::string columns = shape.size() == 2 ? symbol_of(shape[1]) : std::string();
    if (columns.empty()) {
      bad(fmt::format("input '{}': expected [batch, columns], found {}", input,
                      type_text(value->type)));
    }
    PageTable table;
    table.input = std::move(input);
    table.columns_symbol = std::move(columns);
    return table;
  }

  void add_state(const PlanValue& state) {
    auto it = group_tables_.find(state.group);
    const bool cross = out_.encoder && state.group == cross_group_;
    if (it == group_tables_.end() && !cross) {
      bad(fmt::format("state '{}' is of no state group (found '{}')", state.name, state.group));
    }
    const SymShape& shape = state.type.shape;
    const std::string pages = shape.size() == 4 ? symbol_of(shape[0]) : std::string();
    if (pages.empty() || !(shape[2] == Dim(out_.page_tokens))) {
      bad(fmt::format("state '{}' of group '{}': expected [pages, heads, {}, dim], found {}",
                      state.name, state.group, out_.page_tokens, type_text(state.type)));
    }
    PageTable& table = cross ? out_.encoder->table : out_.tables[it->second];
    table.pages_symbols.insert(pages);
    table.states.push_back(state.name);
  }

  // Each set of frequencies is a row of the table that the input picks from.
  void check_rotations() const {
    const int input = plan_.find(kRotationsInput);
    const bool by_token = out_.rotations.by == Rotations::By::kToken;
    if (by_token && out_.trained_len == 0) bad("rotations by token: no max_position_embeddings");
    const Dim sets(by_token ? std::max<int64_t>(out_.trained_len - out_.rotations.lengths[0], 0) + 1
                            : static_cast<int64_t>(out_.rotations.lengths.size()) + 1);
    for (const PlanStep& step : plan_.steps) {
      if (step.op != "embedding" || step.inputs[0] != input) continue;
      const SymShape& table = plan_.values[static_cast<size_t>(step.inputs[1])].type.shape;
      if (table[0] == sets) return;
      bad(fmt::format("rotations: expected {} sets, found {}", sets.text(), table[0].text()));
    }
    bad("rotations: no table has the sets");
  }

  // An input that nothing fills would be read as it happens to be.
  void check_inputs() const {
    for (std::string_view name : kDecoderInputs) {
      if (!find_input(plan_, name)) bad(fmt::format("no input '{}': not a text model", name));
    }
    for (int id : plan_.inputs) {
      const std::string& name = plan_.values[static_cast<size_t>(id)].name;
      const bool table = std::any_of(out_.tables.begin(), out_.tables.end(),
                                     [&](const auto& t) { return t.input == name; });
      if (table) continue;
      if (std::find(kDecoderInputs.begin(), kDecoderInputs.end(), name) != kDecoderInputs.end() ||
          is_encoder_input(name) || name == kRotationsInput) {
        continue;
      }
      bad(fmt::format("input '{}' is none that a text model has", name));
    }
  }

  bool is_encoder_input(const std::string& name) const {
    if (!out_.encoder) return false;
    return name == out_.encoder->lengths_input || name == out_.encoder->table.input ||
           std::find(kEncoderInputs.begin(), kEncoderInputs.end(), name) != kEncoderInputs.end();
  }

  void check_window(const PlanStep& step) const {
    if (step.op != "paged_attention" || step.inputs.size() < 2 || step.inputs[1] == kNoValue) {
      return;
    }
    const auto root = static_cast<size_t>(plan_.root(step.inputs[1]));
    auto it = group_tables_.find(plan_.values[root].group);
    if (it == group_tables_.end()) return;
    const PageTable& table = out_.tables[it->second];
    if (table.kind != KvKind::kWindowed) return;
    const auto window = attr_or<int64_t>(step.attrs, "window", 0);
    if (window > 0 && window <= table.window) return;
    bad(fmt::format("state group '{}' keeps {} positions, attention '{}' looks back {}", it->first,
                    table.window, step.origin,
                    window > 0 ? std::to_string(window) : "at all of them"));
  }

  void read_length() {
    int64_t blocks = 0;
    for (const PageTable& table : out_.tables) {
      auto it = plan_.limits.find(table.columns_symbol);
      if (it == plan_.limits.end()) {
        bad(fmt::format("no limit for '{}'", table.columns_symbol));
      }
      blocks = blocks == 0 ? it->second : std::min(blocks, it->second);
    }
    // Positions are int32.
    const int64_t most = std::numeric_limits<int32_t>::max() / out_.page_tokens;
    if (blocks < 1 || blocks > most) {
      bad(fmt::format("a sequence: expected 1 to {} pages of {} tokens, found {}", most,
                      out_.page_tokens, blocks));
    }
    out_.max_seq_len = blocks * out_.page_tokens;
    out_.trained_len = stated_length("max_position_embeddings");
    if (out_.trained_len > 0) out_.max_seq_len = std::min(out_.max_seq_len, out_.trained_len);
  }

  // 0: not stated.
  int64_t stated_length(const char* key) const {
    const auto found = plan_.metadata.find(key);
    if (found == plan_.metadata.end()) return 0;
    const int64_t length = std::strtoll(found->second.c_str(), nullptr, 10);
    if (length < 1) bad(fmt::format("{}: expected above 0, found '{}'", key, found->second));
    return length;
  }

  const Plan& plan_;
  DecoderPlan out_;
  std::map<std::string, size_t> group_tables_;  // index in out_.tables, by state group
  std::string cross_group_;
};

int64_t pages_of(int64_t positions, int64_t page_tokens) {
  return (positions + page_tokens - 1) / page_tokens;
}

TensorView packed_ints(std::vector<int32_t>& values, Shape shape) {
  return {DType::kInt32, std::move(shape), reinterpret_cast<std::byte*>(values.data())};
}

TensorView packed_ints(std::vector<int32_t>& values) {
  return packed_ints(values, {static_cast<int64_t>(values.size())});
}

}  // namespace

bool is_decoder_plan(const Plan& plan) {
  return find_input(plan, "token_ids") && find_input(plan, "positions") && !plan.groups.empty() &&
         (plan.find("logits") != kNoValue || plan.find("hidden") != kNoValue);
}

DecoderPlan read_decoder_plan(const Plan& plan, EncoderUse encoder) {
  return DecoderPlanReader(plan).read(encoder);
}

void set_decoder_limits(const DecoderPlan& plan, const DecoderSizes& sizes, SymbolValues& limits) {
  CHECK_EQ(sizes.pages.size(), plan.tables.size());
  const int64_t columns = (sizes.seq_len + plan.page_tokens - 1) / plan.page_tokens;
  limits["tokens"] = sizes.tokens;
  limits["batch"] = sizes.rows;
  limits["logit_rows"] = sizes.logit_rows;
  for (const PageTable& table : plan.tables) {
    limits[table.columns_symbol] = columns;
    for (const std::string& symbol : table.pages_symbols) limits[symbol] = 0;
  }
  // Tables may count their pages by one symbol: the largest pool then sizes all of them.
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    for (const std::string& symbol : plan.tables[t].pages_symbols) {
      limits[symbol] = std::max(limits[symbol], sizes.pages[t]);
    }
  }
  if (!plan.encoder) return;
  limits["frames"] = sizes.frames;
  const PageTable& cross = plan.encoder->table;
  limits[cross.columns_symbol] = pages_of(plan.encoder->max_frames, plan.page_tokens);
  for (const std::string& symbol : cross.pages_symbols) limits[symbol] = sizes.cross_pages;
}

DecoderStep::DecoderStep(const DecoderPlan& plan) : tables_(plan.tables.size()) {
  for (const PageTable& table : plan.tables) table_inputs_.push_back(table.input);
  encoder_ = plan.encoder;
  sets_ = plan.rotations;
  if (encoder_) frames_.columns = pages_of(encoder_->max_frames, plan.page_tokens);
}

void DecoderStep::begin(int64_t columns) {
  CHECK_GT(columns, 0);
  columns_ = columns;
  token_ids_.clear();
  positions_.clear();
  token_rows_.clear();
  query_offsets_.assign(1, 0);
  context_lengths_.clear();
  logit_rows_.clear();
  rotations_.clear();
  for (auto& table : tables_) table.clear();
  if (!encoder_) return;
  frames_.features.clear();
  for (auto* numbers : {&frames_.positions, &frames_.rows, &frames_.kept, &frames_.table}) {
    numbers->clear();
  }
  frames_.offsets.assign(1, 0);
}

void DecoderStep::add_row(std::span<const int32_t> tokens, int64_t first_position,
                          int32_t rotation) {
  const auto row = static_cast<int32_t>(context_lengths_.size());
  token_ids_.insert(token_ids_.end(), tokens.begin(), tokens.end());
  for (size_t i = 0; i < tokens.size(); ++i) {
    positions_.push_back(static_cast<int32_t>(first_position + static_cast<int64_t>(i)));
    token_rows_.push_back(row);
    if (!sets_.lengths.empty()) rotations_.push_back(sets_.set_at(rotation, positions_.back()));
  }
  query_offsets_.push_back(static_cast<int32_t>(token_ids_.size()));
  context_lengths_.push_back(
      static_cast<int32_t>(first_position + static_cast<int64_t>(tokens.size())));
}

void DecoderStep::add_pages(size_t table, std::span<const PageId> pages) {
  CHECK_LE(static_cast<int64_t>(pages.size()), columns_);
  auto& entries = tables_.at(table);
  for (PageId page : pages) entries.push_back(std::max(page, 0));
  // Behind a row's pages comes the first one: no attention of this row reaches there.
  entries.resize(context_lengths_.size() * static_cast<size_t>(columns_), 0);
}

void DecoderStep::add_frames(std::span<const float> features, int64_t kept,
                             std::span<const PageId> pages) {
  CHECK(encoder_);
  CHECK_LE(static_cast<int64_t>(pages.size()), frames_.columns);
  const int64_t of_frame = encoder_->feature_rows * encoder_->feature_columns;
  const int64_t fresh = static_cast<int64_t>(features.size()) / of_frame;
  CHECK_EQ(static_cast<int64_t>(features.size()), fresh * of_frame);
  CHECK(fresh == 0 || (frames_.positions.empty() && fresh == kept));
  frames_.features.insert(frames_.features.end(), features.begin(), features.end());
  for (int64_t i = 0; i < fresh; ++i) {
    frames_.positions.push_back(static_cast<int32_t>(i));
    frames_.rows.push_back(static_cast<int32_t>(frames_.kept.size()));
  }
  frames_.offsets.push_back(static_cast<int32_t>(frames_.positions.size()));
  frames_.kept.push_back(static_cast<int32_t>(kept));
  for (PageId page : pages) frames_.table.push_back(std::max(page, 0));
  frames_.table.resize(frames_.kept.size() * static_cast<size_t>(frames_.columns), 0);
}

void DecoderStep::set_frames(Executor& executor) {
  CHECK_EQ(frames_.kept.size(), context_lengths_.size());
  const auto rows = static_cast<int64_t>(frames_.kept.size());
  const auto count = static_cast<int64_t>(frames_.positions.size());
  executor.set_input("frame_positions", packed_ints(frames_.positions));
  executor.set_input("frame_rows", packed_ints(frames_.rows));
  executor.set_input("features", {DType::kFloat32,
                                  {count * encoder_->feature_rows, encoder_->feature_columns},
                                  reinterpret_cast<std::byte*>(frames_.features.data())});
  executor.set_input("frame_offsets", packed_ints(frames_.offsets));
  executor.set_input(encoder_->lengths_input, packed_ints(frames_.kept));
  executor.set_input(encoder_->table.input, packed_ints(frames_.table, {rows, frames_.columns}));
}

void DecoderStep::set(Executor& executor, Executor* feed) {
  if (logit_rows_.empty() && !token_ids_.empty()) logit_rows_.push_back(0);
  if (encoder_) set_frames(executor);
  if (feed) {
    feed->set_input("ids", packed_ints(token_ids_));
  } else {
    executor.set_input("token_ids", packed_ints(token_ids_));
  }
  executor.set_input("positions", packed_ints(positions_));
  if (!sets_.lengths.empty()) executor.set_input(kRotationsInput, packed_ints(rotations_));
  executor.set_input("token_rows", packed_ints(token_rows_));
  executor.set_input("query_offsets", packed_ints(query_offsets_));
  executor.set_input("context_lengths", packed_ints(context_lengths_));
  executor.set_input("logit_rows", packed_ints(logit_rows_));
  const auto rows = static_cast<int64_t>(context_lengths_.size());
  for (size_t t = 0; t < tables_.size(); ++t) {
    CHECK_EQ(static_cast<int64_t>(tables_[t].size()), rows * columns_);
    executor.set_input(table_inputs_[t], packed_ints(tables_[t], {rows, columns_}));
  }
}

}  // namespace ingot
