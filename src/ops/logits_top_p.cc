#include <algorithm>

#include "ops/contract/logits_args.h"

namespace ingot {
namespace op_logits_top_p {

// Ids by falling logit, lower ids first among equals; sorted in growing pieces, because the nucleus
// is mostly small.
size_t nucleus(std::span<const float> logits, double p, std::vector<uint32_t>& ids) {
  ids.clear();
  double total = 0;
  const float peak = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == -INFINITY) continue;
    ids.push_back(static_cast<uint32_t>(i));
    total += std::exp(static_cast<double>(logits[i] - peak));
  }
  auto before = [&](uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  double sum = 0;
  size_t sorted = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(ids.size(), std::max<size_t>(64, sorted * 8));
      const auto from = ids.begin() + static_cast<ptrdiff_t>(i);
      std::partial_sort(from, ids.begin() + static_cast<ptrdiff_t>(sorted), ids.end(), before);
    }
    if (i > 0 && sum >= p * total) return i;
    sum += std::exp(static_cast<double>(logits[ids[i]] - peak));
  }
  return ids.size();
}

void reference(const OpArgs& args) {
  std::vector<uint32_t> ids;
  for (int64_t r = 0; r < args.inputs[0].rows(); ++r) {
    const std::span<float> logits = copy_logits_row(args, r);
    const double p = static_cast<double>(args.inputs[1].as<float>()[r]);
    if (p >= 1 || is_faulty(logits)) continue;
    for (size_t i = nucleus(logits, p, ids); i < ids.size(); ++i) logits[ids[i]] = -INFINITY;
  }
}

}  // namespace op_logits_top_p

// Keeps the smallest set of most likely ids whose probabilities reach p, at least one (Holtzman et
// al., "The Curious Case of Neural Text Degeneration", 2020); the rest become -infinity.
const OpDef& logits_top_p_op() {
  using namespace op_logits_top_p;
  static const OpDef op = {
      .name = "logits_top_p", .infer = infer_filter<DType::kFloat32>, .reference = reference};
  return op;
}

}  // namespace ingot
