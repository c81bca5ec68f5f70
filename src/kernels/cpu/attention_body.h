// Attention over a paged KV cache, written against vec_<isa>.h.
//
// A work item is one KV head with up to kBlockRows query rows (consecutive tokens of one sequence
// times the query heads of the group). It walks the pages in order of position and keeps an online
// softmax per row (Milakov & Gimelshein, 2018). A row's arithmetic depends on its own position, the
// keys and the page boundaries alone, so it gives the same bits alone, in a chunk or in a batch.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/kv_pages.h"
#include "kernels/cpu/rows_body.h"
#include "kernels/cpu/vec_kernel.h"

namespace ingot::cpu {
namespace {

constexpr int64_t kBlockRows = 32;
constexpr int64_t kMaxPageTokens = 128;

struct AttentionParams {
  int64_t head_dim;
  int64_t padded_dim;  // multiple of 16, the padding is zero
  int64_t window;
  float scale;
  float softcap;
  bool causal;
  explicit AttentionParams(const Attrs& attrs)
      : head_dim(attr_or<int64_t>(attrs, "head_dim", 0)),
        padded_dim((head_dim + 15) / 16 * 16),
        window(attr_or<int64_t>(attrs, "window", 0)),
        scale(static_cast<float>(attr_or<double>(attrs, "scale", 1.0))),
        softcap(static_cast<float>(attr_or<double>(attrs, "softcap", 0.0))),
        causal(attr_or<bool>(attrs, "causal", true)) {}
};

// Tokens [first, first + count) of one batch row.
struct QueryBlock {
  int64_t row;
  int64_t first;
  int64_t count;
};

// Keys [begin, end) are seen by one query row; its running softmax. The row is at position
// end - 1 where it has a slope (attention is causal then).
struct RowState {
  int64_t begin;
  int64_t end;
  float slope;  // 0: none
  float peak;
  float total;
};

// Memory of one work item, in the thread's scratch.
struct AttentionScratch {
  float* q;       // [rows][padded_dim]
  float* out;     // [rows][padded_dim]
  float* scores;  // [rows][page tokens]
  float* k;       // [page tokens][padded_dim]
  float* v;
  AttentionScratch(int64_t rows, int64_t dim, int64_t page) {
    const int64_t floats = rows * (2 * dim + page) + 2 * page * dim;
    q = reinterpret_cast<float*>(thread_scratch(static_cast<size_t>(floats) * 4));
    out = q + rows * dim;
    k = out + rows * dim;
    v = k + page * dim;
    scores = v + page * dim;
  }
};

template <class Io>
ISA_FN void widen_rows(const std::byte* src, int64_t rows, int64_t dim, int64_t padded,
                       float* dst) {
  const auto* from = reinterpret_cast<const typename Io::T*>(src);
  for (int64_t r = 0; r < rows; ++r, from += dim, dst += padded) {
    int64_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) vstore(dst + i, Io::load(from + i));
    if (i < dim) vstore(dst + i, Io::load_n(from + i, dim - i));
    for (i = (dim + kLanes - 1) / kLanes * kLanes; i < padded; i += kLanes)
      vstore(dst + i, vzero());
  }
}

// The first `count` tokens of a page as float32 rows of padded_dim.
inline const float* page_rows(const ElementType& type, const std::byte* page, int64_t count,
                              const AttentionParams& p, float* scratch) {
  if (type == DType::kFloat32 && p.padded_dim == p.head_dim) {
    return reinterpret_cast<const float*>(page);
  }
  with_io(type, [&](auto io) {
    widen_rows<decltype(io)>(page, count, p.head_dim, p.padded_dim, scratch);
  });
  return scratch;
}

// scores[r][j] = q[r] . k[j] for MR rows and keys j < keys (rounded up to 4 by re-reading the
// last).
template <int MR>
ISA_FN void score_tile(const float* q, const float* k, int64_t keys, int64_t dim, float* scores,
                       int64_t score_stride) {
  for (int64_t j = 0; j < keys; j += 4) {
    const float* key[4];
    for (int64_t n = 0; n < 4; ++n) key[n] = k + std::min(j + n, keys - 1) * dim;
    Vec acc[MR][4];
    for (int m = 0; m < MR; ++m) {
      for (int n = 0; n < 4; ++n) acc[m][n] = vzero();
    }
    for (int64_t d = 0; d < dim; d += kLanes) {
      Vec kv[4];
#pragma GCC unroll 4
      for (int n = 0; n < 4; ++n) kv[n] = vload(key[n] + d);
#pragma GCC unroll 4
      for (int m = 0; m < MR; ++m) {
        const Vec qv = vload(q + m * dim + d);
#pragma GCC unroll 4
        for (int n = 0; n < 4; ++n) acc[m][n] = vfma(qv, kv[n], acc[m][n]);
      }
    }
#pragma GCC unroll 4
    for (int m = 0; m < MR; ++m) {
      _mm_storeu_ps(scores + m * score_stride + j,
                    vsum4(acc[m][0], acc[m][1], acc[m][2], acc[m][3]));
    }
  }
}

inline void score_rows(const float* q, int64_t rows, const float* k, int64_t keys, int64_t dim,
                       float* scores, int64_t score_stride) {
  constexpr int kTile = kWideRegisters ? 4 : 2;
  int64_t r = 0;
  for (; r + kTile <= rows; r += kTile) {
    score_tile<kTile>(q + r * dim, k, keys, dim, scores + r * score_stride, score_stride);
  }
  for (; r < rows; ++r) {
    score_tile<1>(q + r * dim, k, keys, dim, scores + r * score_stride, score_stride);
  }
}

alignas(64) constexpr auto kIota = [] {
  std::array<float, kMaxPageTokens> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i);
  return out;
}();

// Scales, caps, biases and masks one row's scores of a page (keys [begin, end) of it are valid, the
// first key is at position `base`), turns them into weights and folds them into the row's state.
// Returns what the output so far is scaled by.
inline ISA_FN float softmax_page(const AttentionParams& p, float* scores, int64_t base,
                                 int64_t page, int64_t begin, int64_t end, RowState* state) {
  const Vec lowest = vset(-std::numeric_limits<float>::infinity());
  const Vec from = vset(static_cast<float>(begin));
  const Vec to = vset(static_cast<float>(end));
  const Vec slope = vset(state->slope);
  const Vec position = vset(static_cast<float>(state->end - 1 - base));
  Vec peaks = lowest;
  for (int64_t j = 0; j < page; j += kLanes) {
    Vec s = vmul(vload(scores + j), vset(p.scale));
    if (p.softcap > 0) s = vmul(vset(p.softcap), vtanh(vdiv(s, vset(p.softcap))));
    const Vec index = vload(kIota.data() + j);
    s = vfma(slope, vsub(index, position), s);
    s = vselect_lt(index, from, lowest, vselect_lt(index, to, s, lowest));
    vstore(scores + j, s);
    peaks = vmax(s, peaks);
  }
  const float peak = std::max(state->peak, vmax_lanes(peaks));
  Vec total = vzero();
  for (int64_t j = 0; j < page; j += kLanes) {
    const Vec weight = vexp(vsub(vload(scores + j), vset(peak)));
    vstore(scores + j, weight);
    total = vadd(total, weight);
  }
  const float shrink = vfirst(vexp(vset(state->peak - peak)));
  state->peak = peak;
  state->total = state->total * shrink + vsum(total);
  return shrink;
}

// out = out * shrink + sum of weights[j] * v[j], j in [begin, end), NV vectors of the row.
template <int NV>
ISA_FN void accumulate_chunk(const float* weights, const float* v, int64_t dim, int64_t begin,
                             int64_t end, float shrink, float* out) {
  Vec acc[NV];
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) acc[i] = vmul(vload(out + i * kLanes), vset(shrink));
  for (int64_t j = begin; j < end; ++j) {
    const Vec w = vset(weights[j]);
#pragma GCC unroll 8
    for (int i = 0; i < NV; ++i) acc[i] = vfma(w, vload(v + j * dim + i * kLanes), acc[i]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < NV; ++i) vstore(out + i * kLanes, acc[i]);
}

inline void accumulate(const float* weights, const float* v, int64_t dim, int64_t begin,
                       int64_t end, float shrink, float* out) {
  int64_t d = 0;
  for (; d + 8 * kLanes <= dim; d += 8 * kLanes) {
    accumulate_chunk<8>(weights, v + d, dim, begin, end, shrink, out + d);
  }
  for (; d + 4 * kLanes <= dim; d += 4 * kLanes) {
    accumulate_chunk<4>(weights, v + d, dim, begin, end, shrink, out + d);
  }
  for (; d < dim; d += kLanes) {
    accumulate_chunk<1>(weights, v + d, dim, begin, end, shrink, out + d);
  }
}

template <class Io>
ISA_FN void store_scaled(const float* src, float divisor, std::byte* dst, int64_t n) {
  auto* out = reinterpret_cast<typename Io::T*>(dst);
  const Vec factor = vset(divisor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Io::store(out + i, vdiv(vload(src + i), factor));
  if (i < n) Io::store_n(out + i, vdiv(vload_n(src + i, n - i), factor), n - i);
}

class PagedAttention final : public KernelInstance {
 public:
  explicit PagedAttention(const KernelDesc& desc) : params_(desc.attrs) {
    heads_ = desc.inputs[0].shape[1] / params_.head_dim;
    group_ = heads_ / desc.inputs[1].shape[1];
    blocks_.reserve(static_cast<size_t>(desc.inputs[0].shape[0]));
  }

  void launch(const LaunchArgs& args, ExecContext& context) override {
    plan(args.inputs[4]);
    const KvPages keys(args.inputs[1], args.inputs[7]);
    const KvPages values(args.inputs[2], args.inputs[7]);
    const int64_t kv_heads = heads_ / group_;
    const auto items = static_cast<int64_t>(blocks_.size()) * kv_heads;
    context.team->parallel_for(items, 1, [&](int64_t begin, int64_t end) {
      // The last blocks of a prompt see the most keys: they go first.
      for (int64_t i = begin; i < end; ++i) {
        const int64_t item = items - 1 - i;
        attend(args, keys, values, blocks_[static_cast<size_t>(item / kv_heads)], item % kv_heads);
      }
    });
  }

 private:
  // Runs of tokens of one batch row, cut so that a block has at most kBlockRows query rows.
  void plan(const TensorView& token_rows) {
    blocks_.clear();
    const int64_t most = std::max<int64_t>(kBlockRows / group_, 1);
    for (int64_t t = 0; t < token_rows.elements(); ++t) {
      const int64_t row = load_index(token_rows, t);
      if (!blocks_.empty() && blocks_.back().row == row && blocks_.back().count < most) {
        ++blocks_.back().count;
      } else {
        blocks_.push_back({row, t, 1});
      }
    }
  }

  void attend(const LaunchArgs& args, const KvPages& keys, const KvPages& values,
              const QueryBlock& block, int64_t kv_head) const {
    const int64_t dim = params_.padded_dim;
    const int64_t page = keys.page_tokens();
    const int64_t rows = block.count * group_;
    keys.check_row(block.row);
    const AttentionScratch s(rows, dim, page);
    std::vector<RowState>& states = thread_states();
    states.resize(static_cast<size_t>(rows));
    const bool sloped = args.inputs.size() > 8 && args.inputs[8].present();
    const float* slopes = sloped ? args.inputs[8].as<float>() : nullptr;
    int64_t first_key = std::numeric_limits<int64_t>::max();
    int64_t last_key = 0;
    for (int64_t t = 0; t < block.count; ++t) {
      const TensorView& q = args.inputs[0];
      const std::byte* heads =
          q.row(block.first + t) + q.type.bytes(kv_head * group_ * params_.head_dim);
      with_io(q.type, [&](auto io) {
        widen_rows<decltype(io)>(heads, group_, params_.head_dim, dim, s.q + t * group_ * dim);
      });
      const int64_t position = load_index(args.inputs[3], block.first + t);
      if (position < 0) {
        fail(ErrorCode::kInvalidArgument, "ops/paged_attention",
             "token {}: expected position 0 or more, found {}", block.first + t, position);
      }
      const int64_t end = params_.causal ? position + 1 : load_index(args.inputs[6], block.row);
      const int64_t begin =
          params_.window > 0 ? std::max<int64_t>(0, position - params_.window + 1) : 0;
      for (int64_t g = 0; g < group_; ++g) {
        const float slope = slopes ? slopes[kv_head * group_ + g] : 0.0f;
        states[static_cast<size_t>(t * group_ + g)] = {begin, end, slope, -INFINITY, 0.0f};
      }
      first_key = std::min(first_key, begin);
      last_key = std::max(last_key, end);
    }
    std::fill_n(s.out, rows * dim, 0.0f);
    for (int64_t b = first_key / page; b * page < last_key; ++b) {
      const int64_t count = std::min(page, last_key - b * page);
      const float* k =
          page_rows(keys.type(), keys.page(block.row, b, kv_head), count, params_, s.k);
      const float* v =
          page_rows(values.type(), values.page(block.row, b, kv_head), count, params_, s.v);
      visit_page(s, states, b * page, page, count, k, v);
    }
    write(args.outputs[0], block, kv_head, s.out, states);
  }

  // Folds the page whose first key is at position `base` into every row that sees some of it.
  void visit_page(const AttentionScratch& s, std::vector<RowState>& states, int64_t base,
                  int64_t page, int64_t count, const float* k, const float* v) const {
    const int64_t dim = params_.padded_dim;
    const auto rows = static_cast<int64_t>(states.size());
    score_rows(s.q, rows, k, count, dim, s.scores, page);
    for (int64_t r = 0; r < rows; ++r) {
      RowState& state = states[static_cast<size_t>(r)];
      const int64_t begin = std::max<int64_t>(state.begin - base, 0);
      const int64_t end = std::min(state.end - base, page);
      if (begin >= end) continue;
      float* scores = s.scores + r * page;
      const float shrink = softmax_page(params_, scores, base, page, begin, end, &state);
      accumulate(scores, v, dim, begin, end, shrink, s.out + r * dim);
    }
  }

  void write(const TensorView& out, const QueryBlock& block, int64_t kv_head, const float* result,
             const std::vector<RowState>& states) const {
    for (int64_t r = 0; r < block.count * group_; ++r) {
      const int64_t column = (kv_head * group_ + r % group_) * params_.head_dim;
      std::byte* dst = out.row(block.first + r / group_) + out.type.bytes(column);
      // A query that sees no key gets zeros, as the result holds them.
      const float seen = states[static_cast<size_t>(r)].total;
      const float total = seen <= 0 ? 1.0f : seen;  // NaN stays
      with_io(out.type, [&](auto io) {
        store_scaled<decltype(io)>(result + r * params_.padded_dim, total, dst, params_.head_dim);
      });
    }
  }

  static std::vector<RowState>& thread_states() {
    thread_local std::vector<RowState> states;
    return states;
  }

  AttentionParams params_;
  int64_t heads_;
  int64_t group_;
  std::vector<QueryBlock> blocks_;
};

inline std::string attention_supports(const KernelDesc& desc) {
  const Shape& cache = desc.inputs[1].shape;
  for (size_t i : {0, 1, 2}) {
    if (!has_io(desc.inputs[i].type)) return "input is " + desc.inputs[i].type.name();
  }
  if (cache[2] % 16 != 0 || cache[2] > kMaxPageTokens) {
    return "pages of " + std::to_string(cache[2]) + " tokens";
  }
  return "";
}

inline std::unique_ptr<KernelInstance> attention_prepare(const KernelDesc& desc, std::string_view) {
  return std::make_unique<PagedAttention>(desc);
}

inline std::vector<SelfTestCase> paged_attention_cases() {
  return {{.attrs = {{"head_dim", int64_t{24}}, {"scale", 0.2}},
           .inputs = {{DType::kFloat32, {2, 48}},
                      {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                      {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                      {DType::kInt32, {2}, false, {39, 40}},
                      {DType::kInt32, {2}, false, {0, 0}},
                      {DType::kInt32, {2}, false, {0, 2}},
                      {DType::kInt32, {1}, false, {41}},
                      {DType::kInt32, {1, 2}, false, {1, 0}},
                      {DType::kFloat32, {2}}}}};
}
// Online softmax in order of position.
template <const KernelDef& (*kSelf)()>
KernelDef paged_attention_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, attention_supports, paged_attention_cases>(name, "paged_attention",
                                                                      attention_prepare);
}

}  // namespace
}  // namespace ingot::cpu
