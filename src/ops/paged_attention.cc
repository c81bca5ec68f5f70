#include <algorithm>
#include <cmath>

#include "ops/contract/llm_args.h"
#include "ops/contract/op_cost.h"

namespace ingot {
namespace op_paged_attention {

struct PagedAttentionAttrs {
  int64_t head_dim = 0;
  double scale = 1.0;
  int64_t window = 0;    // keys p - window + 1 .. p; 0 = all
  double softcap = 0.0;  // cap * tanh(score / cap) before the mask; 0 = none
  bool causal = true;    // false: every key of the sequence (encoders, cross attention)
  template <typename V>
  void fields(V& v) {
    v("head_dim", head_dim);
    v("scale", scale);
    v("window", window);
    v("softcap", softcap);
    v("causal", causal);
  }
};

constexpr size_t kSlopes = 8;  // the optional input

void check_slopes(const InferArgs& args, const PagedAttentionAttrs& attrs, const ValueType& q) {
  if (args.inputs.size() > kSlopes + 1) {
    args.bad(fmt::format("expected at most {} inputs, found {}", kSlopes + 1, args.inputs.size()));
  }
  if (args.inputs.size() <= kSlopes || !args.inputs[kSlopes]) return;
  const ValueType& slopes = *args.inputs[kSlopes];
  const int64_t heads = q.shape[1].constant() / attrs.head_dim;
  if (slopes.element != ElementType(DType::kFloat32) || slopes.shape.size() != 1 ||
      !(slopes.shape[0] == Dim(heads))) {
    args.bad(fmt::format("slopes: expected float32[{}], found {}", heads, type_text(slopes)));
  }
  if (!attrs.causal) args.bad("slopes are for causal attention");
}

std::vector<ValueType> infer(const InferArgs& args) {
  const auto attrs = read_attrs<PagedAttentionAttrs>(args.attrs, "ops/paged_attention");
  const ValueType& q = token_matrix(args, 0);
  const ValueType& k = kv_state(args, 1, attrs.head_dim);
  const ValueType& v = kv_state(args, 2, attrs.head_dim);
  if (!(k.shape[1] == v.shape[1]) || !(k.shape[2] == v.shape[2])) {
    args.bad(fmt::format("caches {} and {} differ", type_text(k), type_text(v)));
  }
  const Dim kv_columns = k.shape[1] * k.shape[3];
  if (!q.shape[1].is_constant() || !kv_columns.is_constant() || kv_columns.constant() < 1 ||
      q.shape[1].constant() % kv_columns.constant() != 0) {
    args.bad(fmt::format("query {} is not a whole number of groups of cache {}", type_text(q),
                         type_text(k)));
  }
  token_vector(args, 3, 0);
  token_vector(args, 4, 0);
  const Dim& batch = block_table(args, 7).shape[0];
  if (!(index_vector(args, 5).shape[0] == batch + 1) ||
      !(index_vector(args, 6).shape[0] == batch)) {
    args.bad(fmt::format("offsets {} and lengths {} do not fit block tables {}",
                         type_text(args.input(5)), type_text(args.input(6)),
                         type_text(args.input(7))));
  }
  check_slopes(args, attrs, q);
  return {q};
}

// What one head of one token works on: keys [begin, end) of a batch row.
struct HeadWork {
  int64_t row, kv_head;
  int64_t begin, end;
  int64_t position;  // of the token
  float slope;
};

// softmax(scale * q.k) over the keys, times v.
void attend(const OpArgs& args, const PagedAttentionAttrs& attrs, const HeadWork& work,
            const float* query, float* out) {
  const auto [row, kv_head, begin, end, position, slope] = work;
  const int64_t dim = attrs.head_dim;
  std::vector<float> scores(static_cast<size_t>(end - begin));
  std::vector<float> item(static_cast<size_t>(dim));
  float peak = -INFINITY;
  for (int64_t p = begin; p < end; ++p) {
    load_row(kv_row(args.inputs[1], args.inputs[7], row, p, kv_head), 0, 0, dim, item.data());
    float dot = 0;
    for (int64_t d = 0; d < dim; ++d) dot += query[d] * item[static_cast<size_t>(d)];
    dot *= static_cast<float>(attrs.scale);
    if (attrs.softcap > 0) {
      const auto cap = static_cast<float>(attrs.softcap);
      dot = cap * std::tanh(dot / cap);
    }
    dot += slope * static_cast<float>(p - position);
    scores[static_cast<size_t>(p - begin)] = dot;
    peak = std::max(peak, dot);
  }
  float total = 0;
  for (float& score : scores) total += score = std::exp(score - peak);
  std::fill_n(out, dim, 0.0f);
  for (int64_t p = begin; p < end; ++p) {
    const float weight = scores[static_cast<size_t>(p - begin)] / total;
    load_row(kv_row(args.inputs[2], args.inputs[7], row, p, kv_head), 0, 0, dim, item.data());
    for (int64_t d = 0; d < dim; ++d) out[d] += weight * item[static_cast<size_t>(d)];
  }
}

void reference(const OpArgs& args) {
  const auto attrs = read_attrs<PagedAttentionAttrs>(args.attrs, "ops/paged_attention");
  const TensorView& q = args.inputs[0];
  const int64_t heads = q.columns() / attrs.head_dim;
  const int64_t group = heads / args.inputs[1].shape[1];
  const bool sloped = args.inputs.size() > kSlopes && args.inputs[kSlopes].present();
  std::vector<float> slopes(static_cast<size_t>(heads), 0.0f);
  if (sloped) load_row(args.inputs[kSlopes], 0, 0, heads, slopes.data());
  std::vector<float> query(static_cast<size_t>(attrs.head_dim));
  std::vector<float> out(static_cast<size_t>(attrs.head_dim));
  for (int64_t t = 0; t < q.shape[0]; ++t) {
    const int64_t row = load_index(args.inputs[4], t);
    const int64_t position = load_index(args.inputs[3], t);
    if (row < 0 || row >= args.inputs[7].shape[0]) {
      fail(ErrorCode::kInvalidArgument, "ops/paged_attention",
           "token {}: expected batch row 0 to {}, found {}", t, args.inputs[7].shape[0] - 1, row);
    }
    if (position < 0) {
      fail(ErrorCode::kInvalidArgument, "ops/paged_attention",
           "token {}: expected position 0 or more, found {}", t, position);
    }
    const int64_t end =
        std::max<int64_t>(0, attrs.causal ? position + 1 : load_index(args.inputs[6], row));
    const int64_t room = args.inputs[7].shape[1] * args.inputs[1].shape[2];
    if (end > room) {
      fail(ErrorCode::kInvalidArgument, "ops/paged_attention",
           "token {}: expected at most {} keys, found {}", t, room, end);
    }
    const int64_t begin =
        attrs.window > 0 ? std::min(end, std::max<int64_t>(0, position - attrs.window + 1)) : 0;
    for (int64_t h = 0; h < heads; ++h) {
      load_row(q, t, h * attrs.head_dim, attrs.head_dim, query.data());
      const HeadWork work = {row, h / group, begin, end, position, slopes[static_cast<size_t>(h)]};
      attend(args, attrs, work, query.data(), out.data());
      store_row(args.outputs[0], t, h * attrs.head_dim, attrs.head_dim, out.data());
    }
  }
}

IndexInputs representative(const RepresentativeArgs& args) {
  PackedTokens packed = representative_tokens(args.inputs[0][0], args.inputs[7], args.inputs[1]);
  return {{3, std::move(packed.positions)},
          {4, std::move(packed.token_rows)},
          {5, std::move(packed.query_offsets)},
          {6, std::move(packed.context_lengths)},
          {7, std::move(packed.block_tables)}};
}

// q.k and the sum over v, for each pair of a query and a key. The caches count with the positions
// that are read.
OpCost cost(const CostArgs& args) {
  OpCost out = product_cost(args, 4 * args.load.pairs * args.inputs[0].columns());
  for (const size_t i : {1, 2}) {
    const CostOperand& cache = args.inputs[i];
    out.bytes += args.load.positions * position_bytes(cache) - cache.bytes();
  }
  return out;
}

}  // namespace op_paged_attention

// Scaled dot-product attention of packed tokens over a paged KV cache. Inputs: q[tokens, heads *
// head_dim], k_cache, v_cache [pages, kv_heads, page tokens, head_dim], positions[tokens],
// token_rows[tokens] (batch row of each token), query_offsets[batch + 1], context_lengths[batch],
// block_tables[batch, max_blocks], and optionally slopes float32[heads]. Query head h reads KV head
// h / (heads / kv_heads).
//
// With slopes, attention with linear biases (Press et al., "Train short, test long", 2022):
// slope[h] * (key position - query position) is added to a score after scale and cap. A softmax
// does not change with what is added to all of a row's scores, so this is also what models mean
// that add slope[h] * key position; relative positions keep the numbers small. Causal attention
// alone. The paper's slopes of n heads, n a power of two: 2^(-8 (h + 1) / n); for other n those of
// m heads, m the power of two below n, then the first, third, ... of 2 m heads (BLOOM, Falcon-RW,
// Baichuan-13B; MPT with its alibi_bias_max in place of 8).
const OpDef& paged_attention_op() {
  using namespace op_paged_attention;
  static const OpDef op = {.name = "paged_attention",
                           .infer = infer,
                           .reference = reference,
                           .row_strided = true,
                           .representative = representative,
                           .cost = cost};
  return op;
}

}  // namespace ingot
