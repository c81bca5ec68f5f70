// Shared by the operators of the sample plan. Logits are float32 [samples, vocab]; parameters are
// vectors with one element a row; the history of row r is ids[offsets[r] .. offsets[r + 1]).
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>
#include <vector>

#include "ops/contract/op_def.h"

namespace ingot {

// Lower temperatures are greedy: dividing by them would pass what float32 holds. At 1e-5 a logit
// that is 0.01 behind the best has probability e^-1000 already.
constexpr float kGreedyTemperature = 1e-5f;

inline const ValueType& logits_matrix(const InferArgs& args) {
  const ValueType& logits = args.input(0);
  if (logits.shape.size() != 2 || !(logits.element == ElementType(DType::kFloat32))) {
    args.bad("logits must be float32 [samples, vocab], found " + type_text(logits));
  }
  return logits;
}

inline void row_vector(const InferArgs& args, size_t input, DType dtype) {
  const ValueType& v = args.input(input);
  if (v.shape.size() != 1 || !(v.shape[0] == logits_matrix(args).shape[0]) ||
      !(v.element == ElementType(dtype))) {
    args.bad(fmt::format("input {} must be {} with an element a row of the logits, found {}", input,
                         dtype_name(dtype), type_text(v)));
  }
}

inline void index_list(const InferArgs& args, size_t input) {
  const ValueType& v = args.input(input);
  if (v.shape.size() != 1 || !(v.element == ElementType(DType::kInt32))) {
    args.bad(fmt::format("input {} must be an int32 vector, found {}", input, type_text(v)));
  }
}

// Row r of the logits, copied to the output, to be changed there.
inline std::span<float> copy_logits_row(const OpArgs& args, int64_t r) {
  const auto n = static_cast<size_t>(args.inputs[0].columns());
  const float* source = args.inputs[0].row_as<float>(r);
  float* target = args.outputs[0].row_as<float>(r);
  std::copy_n(source, n, target);
  return {target, n};
}

// NaN or +infinity: the row has no meaning, and comparisons would have no order. sample() ends it.
inline bool is_faulty(std::span<const float> logits) {
  bool faulty = false;
  for (float v : logits) faulty |= !(v < INFINITY);
  return faulty;
}

// Ids of row r in inputs `ids` and `offsets`, from the row's element `skip` on. Ids outside the
// vocabulary are left out.
template <typename Visit>
void visit_ids(const OpArgs& args, size_t ids, size_t offsets, int64_t r, int64_t skip,
               Visit visit) {
  const int64_t vocab = args.inputs[0].columns();
  const int64_t end =
      std::min(load_index(args.inputs[offsets], r + 1), args.inputs[ids].elements());
  for (int64_t i = std::max<int64_t>(0, load_index(args.inputs[offsets], r)) + skip; i < end; ++i) {
    const int64_t id = load_index(args.inputs[ids], i);
    if (id >= 0 && id < vocab) visit(static_cast<size_t>(id));
  }
}

// How often each id occurs in row r's output: its history after the prompt.
inline std::unordered_map<size_t, int> output_counts(const OpArgs& args, int64_t r) {
  std::unordered_map<size_t, int> counts;
  visit_ids(args, 1, 2, r, load_index(args.inputs[3], r), [&](size_t id) { ++counts[id]; });
  return counts;
}

// infer() of the penalties: logits, history ids, history offsets, prompt lengths, penalty.
inline std::vector<ValueType> infer_penalty(const InferArgs& args) {
  for (size_t i : {1, 2}) index_list(args, i);
  row_vector(args, 3, DType::kInt32);
  row_vector(args, 4, DType::kFloat32);
  return {logits_matrix(args)};
}

// infer() of the filters with one parameter: logits, parameter.
template <DType kParameter>
std::vector<ValueType> infer_filter(const InferArgs& args) {
  row_vector(args, 1, kParameter);
  return {logits_matrix(args)};
}

}  // namespace ingot
