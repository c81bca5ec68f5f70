#include <algorithm>

#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logprobs {

struct LogprobsAttrs {
  int64_t top = 0;
  template <typename V>
  void fields(V& v) {
    v("top", top);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<LogprobsAttrs>(args.attrs, "ops/logprobs");
  const ValueType& logits = logits_matrix(args);
  row_vector(args, 1, DType::kInt32);
  if (attrs.top < 0) args.bad("top must not be negative");
  const Dim samples = logits.shape[0];
  return {{DType::kFloat32, {samples}},
          {DType::kInt32, {samples, attrs.top}},
          {DType::kFloat32, {samples, attrs.top}}};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<LogprobsAttrs>(args.attrs, "ops/logprobs");
  const int64_t n = args.inputs[0].columns();
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const float* logits = args.inputs[0].row_as<float>(r);
    const bool faulty = is_faulty({logits, static_cast<size_t>(n)});
    const double peak = static_cast<double>(*std::max_element(logits, logits + n));
    double total = 0;
    for (int64_t i = 0; i < n; ++i) total += std::exp(static_cast<double>(logits[i]) - peak);
    const double log_total = peak + std::log(total);
    const int64_t chosen = load_index(args.inputs[1], r);
    args.outputs[0].as<float>()[r] =
        faulty || chosen < 0 || chosen >= n
            ? NAN
            : static_cast<float>(static_cast<double>(logits[chosen]) - log_total);
    ids.resize(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) ids[static_cast<size_t>(i)] = static_cast<int32_t>(i);
    const int64_t top = faulty ? 0 : std::min(attrs.top, n);
    auto before = [&](int32_t a, int32_t b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    };
    std::partial_sort(ids.begin(), ids.begin() + top, ids.end(), before);
    for (int64_t k = 0; k < attrs.top; ++k) {
      const int32_t id = k < top ? ids[static_cast<size_t>(k)] : -1;
      args.outputs[1].as<int32_t>()[r * attrs.top + k] = id;
      args.outputs[2].as<float>()[r * attrs.top + k] =
          id < 0 ? -INFINITY : static_cast<float>(static_cast<double>(logits[id]) - log_total);
    }
  }
}

}  // namespace op_logprobs

// Natural logarithm of softmax(logits): of the given ids, and of the `top` best with their ids
// (lower ids first among equals; ids of -1 past the end of the vocabulary). A row with NaN or
// +infinity has no probabilities: NaN and ids of -1.
const OpDef& logprobs_op() {
  using namespace op_logprobs;
  static const OpDef op = {.name = "logprobs", .infer = infer, .reference = reference};
  return op;
}

}  // namespace ingot
