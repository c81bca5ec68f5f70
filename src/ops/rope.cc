#include <cmath>

#include "ops/contract/llm_args.h"
#include "ops/shared/attention_import.h"

namespace ingot {
namespace op_rope {

struct RopeAttrs {
  int64_t head_dim = 0;
  bool interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + rotary_dim / 2)
  double scale = 1.0;        // multiplies cos and sin (YaRN's attention factor)
  template <typename V>
  void fields(V& v) {
    v("head_dim", head_dim);
    v("interleaved", interleaved);
    v("scale", scale);
  }
};

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<RopeAttrs>(args.attrs, "ops/rope");
  const ValueType& x = token_matrix(args, 0);
  const Dim& positions = index_vector(args, 1).shape[0];
  if (positions.is_constant() && x.shape[0].is_constant() && !(positions == x.shape[0])) {
    args.bad(fmt::format("{} positions for {} tokens", positions.text(), x.shape[0].text()));
  }
  const ValueType& frequencies = args.input(2);
  if (attrs.head_dim <= 0 || !x.shape[1].is_constant() ||
      x.shape[1].constant() % attrs.head_dim != 0) {
    args.bad(
        fmt::format("{} columns are not whole heads of {}", x.shape[1].text(), attrs.head_dim));
  }
  const bool by_token = frequencies.shape.size() == 2 && frequencies.shape[0] == x.shape[0];
  if (frequencies.shape.size() != 1 && !by_token) {
    args.bad(fmt::format("inverse frequencies: expected [pairs] or [{}, pairs], found {}",
                         x.shape[0].text(), type_text(frequencies)));
  }
  if (!frequencies.shape.back().is_constant() ||
      frequencies.shape.back().constant() * 2 > attrs.head_dim) {
    args.bad(fmt::format("inverse frequencies {} exceed half a head of {}", type_text(frequencies),
                         attrs.head_dim));
  }
  return {x};
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<RopeAttrs>(args.attrs, "ops/rope");
  const TensorView& x = args.inputs[0];
  const int64_t half = args.inputs[2].columns();
  std::vector<float> frequency(static_cast<size_t>(half));
  load_row(args.inputs[2], 0, 0, half, frequency.data());
  std::vector<float> row(static_cast<size_t>(x.columns()));
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    const auto position = static_cast<float>(load_index(args.inputs[1], t));
    if (args.inputs[2].shape.size() == 2) load_row(args.inputs[2], t, 0, half, frequency.data());
    load_row(x, t, 0, x.columns(), row.data());
    for (int64_t head = 0; head < x.columns(); head += attrs.head_dim) {
      for (int64_t i = 0; i < half; ++i) {
        const float angle = position * frequency[static_cast<size_t>(i)];
        const float c = std::cos(angle) * static_cast<float>(attrs.scale);
        const float s = std::sin(angle) * static_cast<float>(attrs.scale);
        float& a = row[static_cast<size_t>(head + (attrs.interleaved ? 2 * i : i))];
        float& b = row[static_cast<size_t>(head + (attrs.interleaved ? 2 * i + 1 : i + half))];
        const float rotated = a * c - b * s;
        b = b * c + a * s;
        a = rotated;
      }
    }
    store_row(args.outputs[0], t, 0, x.columns(), row.data());
  }
}

}  // namespace op_rope

// Rotary position embedding (Su et al., 2021) of x[tokens, heads * head_dim] at positions[tokens]:
// angle(i) = position * inv_freq[i], in float32. Scaling schemes live in inv_freq[rotary_dim / 2],
// or [tokens, rotary_dim / 2] where each token has its own; dimensions past rotary_dim pass
// through.
const OpDef& rope_op() {
  using namespace op_rope;
  static const OpDef op = {.name = "rope",
                           .onnx = {{"", "RotaryEmbedding", 23, &ops::import_rotary_embedding}},
                           .infer = infer,
                           .reference = reference,
                           .row_strided = true};
  return op;
}

}  // namespace ingot
