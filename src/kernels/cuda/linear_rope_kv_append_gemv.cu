// unit: large
#include "kernels/cuda/arch/gemv_rows.cuh"
#include "kernels/cuda/arch/rope.cuh"

namespace ingot::cuda {
namespace kernel_linear_rope_kv_append_gemv {

constexpr const char* kName = "linear_rope_kv_append_gemv";

// An output column is a pair of a head's columns that turn together (past the rotated ones: any
// two), so that whoever has their sums can rotate and store them. Heads of k and v come first:
// their places in the cache are looked up while other columns are still summed.
struct RopeUnit {
  static constexpr int kParts = 2;
  RopeParams rope;
  int q_heads;
  const int *positions, *rows;
  KvPages keys, values;

  struct Pair {
    int head, at;  // heads in the weight's order: q, k, v
  };
  __device__ Pair pair_of(int64_t column, int64_t n) const {
    const int pairs = rope.head_dim / 2;
    const int64_t at = column + static_cast<int64_t>(q_heads) * pairs;
    const auto turned = static_cast<int>(at < n ? at : at - n);
    return {turned / pairs, turned % pairs};
  }
  __device__ int column_in_head(int pair, int part) const {
    if (pair >= rope.half || rope.interleaved) return 2 * pair + part;
    return pair + part * rope.half;
  }
  __device__ int64_t row(int64_t column, int part, int64_t n) const {
    const Pair pair = pair_of(column, n);
    return static_cast<int64_t>(pair.head) * rope.head_dim + column_in_head(pair.at, part);
  }

  // As rope_kv_append's kernel does it, of products rounded to y's type.
  __device__ void store(const GemvArgs& a, int m, int64_t column, const float (&sum)[2]) const {
    const Pair pair = pair_of(column, a.n);
    const int position = positions[m];
    float v[2] = {round_to(a.y_type, sum[0]), round_to(a.y_type, sum[1])};
    if (pair.at < rope.half && pair.head < q_heads + keys.heads) {
      const float* inv_freq = rope.inv_freq + m * rope.inv_freq_stride;
      float s, c;
      sincosf(__fmul_rn(static_cast<float>(position), inv_freq[pair.at]), &s, &c);
      c = __fmul_rn(c, rope.scale);
      s = __fmul_rn(s, rope.scale);
      const float turned = __fsub_rn(__fmul_rn(v[0], c), __fmul_rn(v[1], s));
      v[1] = __fadd_rn(__fmul_rn(v[1], c), __fmul_rn(v[0], s));
      v[0] = turned;
    }
    const int first = column_in_head(pair.at, 0), second = column_in_head(pair.at, 1);
    if (pair.head < q_heads) {
      const int64_t at = m * a.y_stride + static_cast<int64_t>(pair.head) * rope.head_dim;
      store_any(a.y, a.y_type, at + first, v[0]);
      store_any(a.y, a.y_type, at + second, v[1]);
      return;
    }
    const bool is_key = pair.head < q_heads + keys.heads;
    const KvPages& cache = is_key ? keys : values;
    const int64_t slot =
        cache.slot(rows[m], position, pair.head - q_heads - (is_key ? 0 : keys.heads));
    if (slot < 0) return;
    // Rounded to x's type first, then to the cache's.
    store_any(cache.data, cache.type, slot + first, round_to(a.y_type, v[0]));
    store_any(cache.data, cache.type, slot + second, round_to(a.y_type, v[1]));
  }
};

std::string supports(const KernelDesc& desc) {
  if (!(desc.outputs[0].type == desc.inputs[0].type)) return "q differs in type from x";
  if (!(desc.inputs[3].shape == desc.inputs[4].shape)) return "the caches differ in shape";
  if (attr_or<int64_t>(desc.attrs, "head_dim", 0) % 2 != 0) return "heads have an odd size";
  if (const std::string no = rope_supports(desc.inputs[8]); !no.empty()) return no;
  if (const std::string no = kv_supports(desc, 3, 4, 7); !no.empty()) return no;
  return gemv_rows_supports(desc);
}

std::unique_ptr<KernelInstance> prepare(const KernelDesc& desc, std::string_view tactic) {
  return gemv_rows_instance(
      kName, desc, tactic, [attrs = desc.attrs](const LaunchArgs& args, GemvArgs& a) {
        const std::span<const TensorView> in = args.inputs;
        RopeUnit unit = {};
        unit.rope = rope_params(attrs, in[8]);
        unit.q_heads = static_cast<int>(args.outputs[0].columns() / unit.rope.head_dim);
        unit.positions = in[5].as<int>();
        unit.rows = in[6].as<int>();
        unit.keys = kv_pages(args.outputs[1], in[7]);
        unit.values = kv_pages(args.outputs[2], in[7]);
        a.n = (unit.q_heads + 2 * int64_t{unit.keys.heads}) * (unit.rope.head_dim / 2);
        return unit;
      });
}

}  // namespace kernel_linear_rope_kv_append_gemv

// Up to eight rows, weights of any activation type.
const KernelDef& linear_rope_kv_append_gemv_kernel() {
  using namespace kernel_linear_rope_kv_append_gemv;
  static const KernelDef kernel = {.name = kName,
                                   .op = "linear_rope_kv_append",
                                   .device = "cuda",
                                   .priority = 30,
                                   .supports = supports,
                                   .tactics = gemv_rows_tactics,
                                   .prepare = prepare};
  return kernel;
}

}  // namespace ingot::cuda
