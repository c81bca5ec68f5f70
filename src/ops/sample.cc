#include "base/random.h"
#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_sample {

std::vector<ValueType> infer(const InferArgs& args) {
  const ValueType& logits = logits_matrix(args);
  row_vector(args, 1, DType::kFloat32);
  row_vector(args, 2, DType::kInt64);
  row_vector(args, 3, DType::kInt64);
  return {{DType::kInt32, {logits.shape[0]}}};
}

int64_t draw(const float* logits, int64_t n, float temperature, uint64_t seed, uint64_t position) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(logits[i]) || logits[i] == INFINITY) return -1;
    if (logits[i] != -INFINITY && (best < 0 || logits[i] > logits[best])) best = i;
  }
  if (temperature < kGreedyTemperature || best < 0) return best;
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    total += std::exp(static_cast<double>(logits[i]) - static_cast<double>(logits[best]));
  }
  const double target = random_unit(seed, position) * total;
  double sum = 0;
  int64_t last = best;
  for (int64_t i = 0; i < n; ++i) {
    if (logits[i] == -INFINITY) continue;
    sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(logits[best]));
    last = i;
    if (sum > target) return i;
  }
  return last;  // rounding left the sum below the target
}

void reference(const OpArgs& args) {
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    store_index(
        args.outputs[0], r,
        draw(args.inputs[0].row_as<float>(r), args.inputs[0].columns(),
             args.inputs[1].as<float>()[r], static_cast<uint64_t>(load_index(args.inputs[2], r)),
             static_cast<uint64_t>(load_index(args.inputs[3], r))));
  }
}

}  // namespace op_sample

// Draws one id a row from softmax(logits). Inputs: logits (temperature already applied),
// temperature (below kGreedyTemperature: the largest logit, lowest id among equals), seed,
// position. The draw is a function of (logits, seed, position) alone, whatever else is in the
// batch. -1: the row holds NaN, +infinity, or nothing finite.
const OpDef& sample_op() {
  using namespace op_sample;
  static const OpDef op = {.name = "sample", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
