// The portable plan: what an engine computes, at fused granularity, with symbolic sizes. It names
// no kernel, pointer or path; device sections beside it hold tuned choices.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "ops/contract/op_def.h"
#include "tensor/random_fill.h"

namespace ingot {

// One canonical tensor in the weights section; with a `random` it takes no bytes there, its values
// are made when it is bound.
struct PlanTensor {
  std::string name;
  ElementType type;
  Shape shape;
  std::optional<RandomFill> random{};

  // Of its values in memory, and of those that the section holds.
  int64_t bytes() const { return type.bytes(element_count(shape)); }
  int64_t stored_bytes() const { return random ? 0 : bytes(); }
};

struct PlanValue {
  enum class Kind { kInput, kState, kWeight, kActivation };
  Kind kind = Kind::kActivation;
  std::string name;
  ValueType type;
  // Another value whose memory this one shares: the token a state op updates, the source of a
  // column view. kNoValue: memory of its own. Always a smaller id, so chains end.
  int storage = kNoValue;
  int64_t column_offset = 0;  // columns from the storage's first column, for views

  // kWeight: pieces along axis 0 as indices into Plan::tensors, and how ranks may cut it.
  std::vector<int> segments;
  int shard_axis = -1;
  // kState: group of states that are allocated alike.
  std::string group;
};

enum class StepKind { kKernel, kHost, kView, kIf, kLoop };

struct PlanStep {
  StepKind kind = StepKind::kKernel;
  std::string op;
  Attrs attrs;
  std::vector<int> inputs;  // value ids, kNoValue where absent
  std::vector<int> outputs;
  std::string origin;
};
inline bool is_control(const PlanStep& step) {
  return step.kind == StepKind::kIf || step.kind == StepKind::kLoop;
}

// States with one allocation policy; `bytes_per_token` counts all its layers.
struct PlanStateGroup {
  std::string name;
  std::string kind;  // "paged", "windowed", "fixed", "cross"
  int64_t window = 0;
  int64_t layers = 0;
  int64_t page_tokens = 0;
  int64_t bytes_per_token = 0;  // at most kMostTokenBytes

  // Counts one more state in. Paged ones are [pages, heads, page tokens, dim]; other states count
  // as one token of an element. Error{kCorrupt} where a row is no whole blocks or sizes get too
  // large.
  void add(const ValueType& state);
};

// A terabyte: products with counts of pages and tokens stay far from 64 bits.
inline constexpr int64_t kMostTokenBytes = int64_t{1} << 40;

// Sizes a plan is tuned for: one value for each symbol. At run time the first bucket that covers
// every symbol is used; past the last one, the last.
using Bucket = SymbolValues;

struct Plan {
  std::string name;
  std::vector<PlanTensor> tensors;  // the outermost plan's only; subplans index the same list
  std::vector<PlanValue> values;
  std::vector<PlanStep> steps;
  std::vector<int> inputs;
  std::vector<int> states;
  std::vector<int> outputs;
  std::vector<PlanStateGroup> groups;
  SymbolValues limits;  // default upper bound of each symbol
  std::vector<Bucket> buckets;
  std::map<std::string, std::string> metadata;
  std::vector<Plan> subplans;

  int find(std::string_view value_name) const;  // kNoValue if absent
  // The value whose memory `value` lives in, following storage links.
  int root(int value) const;
};

// Serialization by field name. from_json checks every index, name and shape, so that a plan that
// loads is safe to bind: Error{kCorrupt} says which step or value is wrong.
Json plan_to_json(const Plan& plan);
Plan plan_from_json(const Json& json);

// Text for people and for golden files: a line a step, types included.
std::string plan_text(const Plan& plan);

// Hash of everything that decides results: the plan as plan_to_json() writes it, subplans included,
// without limits, buckets and origins. Plans of equal hash compute the same from the same tensors.
std::string plan_hash(const Plan& plan);

// Builds plans by hand where there is no graph (the runtime's sample plan).
class PlanBuilder {
 public:
  explicit PlanBuilder(std::string name) { plan_.name = std::move(name); }
  int input(std::string_view name, ElementType type, SymShape shape);
  // Infers types through the op's definition; aliased outputs share memory as its effects say.
  std::vector<int> step(std::string_view op, Attrs attrs, std::vector<int> inputs,
                        size_t outputs = 1);
  void output(int value, std::string_view name);
  const ValueType& type(int value) const { return plan_.values[static_cast<size_t>(value)].type; }
  Plan finish(SymbolValues limits, std::vector<Bucket> buckets);

 private:
  Plan plan_;
};

}  // namespace ingot
