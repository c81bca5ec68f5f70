// Rotary embedding and the KV append it is fused with, written against vec_<isa>.h.
#pragma once

#include <cmath>

#include "kernels/cpu/kv_pages.h"
#include "kernels/cpu/rows_body.h"
#include "kernels/cpu/vec_kernel.h"

namespace ingot::cpu {
namespace {

struct RopeParams {
  int64_t head_dim;
  bool interleaved;
  float scale;
  explicit RopeParams(const Attrs& attrs)
      : head_dim(attr_or<int64_t>(attrs, "head_dim", 0)),
        interleaved(attr_or<bool>(attrs, "interleaved", false)),
        scale(static_cast<float>(attr_or<double>(attrs, "scale", 1.0))) {}
};

// Cosines and sines of one position, `half` of each.
inline ISA_FN void rope_angles(float position, const float* inv_freq, int64_t half, float scale,
                               float* cosine, float* sine) {
  for (int64_t i = 0; i < half; i += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, half - i);
    const Vec angle = vmul(vset(position), vload_n(inv_freq + i, n));
    Vec s, c;
    vsincos(angle, &s, &c);
    vstore_n(cosine + i, vmul(c, vset(scale)), n);
    vstore_n(sine + i, vmul(s, vset(scale)), n);
  }
  // Beyond the vector reduction's range; inv_freq is at most 1 in practice, so this is rare.
  for (int64_t i = 0; i < half; ++i) {
    const float angle = position * inv_freq[i];
    if (std::fabs(angle) <= kMaxReducedAngle) continue;
    cosine[i] = std::cos(angle) * scale;
    sine[i] = std::sin(angle) * scale;
  }
}

// Rotates one head from src to dst (which may be the same memory): products and sums are rounded
// one by one, as the operator's reference does.
template <class Io>
ISA_FN void rotate_halves(const void* src, void* dst, int64_t head_dim, int64_t half,
                          const float* cosine, const float* sine) {
  using T = typename Io::T;
  const T* x = static_cast<const T*>(src);
  T* y = static_cast<T*>(dst);
  for (int64_t i = 0; i < half; i += kLanes) {
    const int64_t n = std::min<int64_t>(kLanes, half - i);
    const Vec a = Io::load_n(x + i, n);
    const Vec b = Io::load_n(x + i + half, n);
    const Vec c = vload_n(cosine + i, n);
    const Vec s = vload_n(sine + i, n);
    Io::store_n(y + i, vsub(vmul(a, c), vmul(b, s)), n);
    Io::store_n(y + i + half, vadd(vmul(b, c), vmul(a, s)), n);
  }
  if (y != x) {
    std::memcpy(y + 2 * half, x + 2 * half, static_cast<size_t>(head_dim - 2 * half) * sizeof(T));
  }
}

inline void rotate_pairs(const TensorView& src, int64_t row, int64_t column, float* head,
                         int64_t head_dim, int64_t half, const float* cosine, const float* sine) {
  load_row(src, row, column, head_dim, head);
  for (int64_t i = 0; i < half; ++i) {
    const float a = head[2 * i];
    const float b = head[2 * i + 1];
    head[2 * i] = a * cosine[i] - b * sine[i];
    head[2 * i + 1] = b * cosine[i] + a * sine[i];
  }
}

// Rotates head `head` of token t of x into dst, in x's type.
inline void rotate_head(const RopeParams& rope, const TensorView& x, int64_t t, int64_t head,
                        int64_t half, const float* cosine, const float* sine, std::byte* dst) {
  const int64_t column = head * rope.head_dim;
  if (rope.interleaved) {
    float values[1024];
    CHECK_LE(rope.head_dim, 1024);
    rotate_pairs(x, t, column, values, rope.head_dim, half, cosine, sine);
    const TensorView out{x.type, {1, rope.head_dim}, dst};
    return store_row(out, 0, 0, rope.head_dim, values);
  }
  const std::byte* src = x.row(t) + x.type.bytes(column);
  with_io(x.type, [&](auto io) {
    rotate_halves<decltype(io)>(src, dst, rope.head_dim, half, cosine, sine);
  });
}

// One position's rotation in this thread's scratch memory.
class Rotation {
 public:
  Rotation(const RopeParams& rope, const TensorView& inv_freq)
      : rope_(rope),
        inv_freq_(inv_freq),
        half_(inv_freq.columns()),
        cosine_(reinterpret_cast<float*>(thread_scratch(static_cast<size_t>(half_) * 8))) {}
  // Of token t, which may have frequencies of its own.
  void set_position(int64_t t, int64_t position) {
    const std::byte* frequencies = inv_freq_.row(inv_freq_.shape.size() == 2 ? t : 0);
    rope_angles(static_cast<float>(position), reinterpret_cast<const float*>(frequencies), half_,
                rope_.scale, cosine_, cosine_ + half_);
  }
  void head(const TensorView& x, int64_t t, int64_t index, std::byte* dst) const {
    rotate_head(rope_, x, t, index, half_, cosine_, cosine_ + half_, dst);
  }
  // All heads of token t.
  void row(const TensorView& x, int64_t t, const TensorView& out) const {
    for (int64_t h = 0; h < x.columns() / rope_.head_dim; ++h) {
      head(x, t, h, out.row(t) + x.type.bytes(h * rope_.head_dim));
    }
  }

 private:
  const RopeParams& rope_;
  const TensorView& inv_freq_;
  int64_t half_;
  float* cosine_;  // half_ of them, then the sines
};

inline std::string rope_supports(const KernelDesc& desc) {
  const size_t frequencies = desc.op == "rope" ? 2 : 8;
  const RopeParams rope(desc.attrs);
  if (!has_io(desc.inputs[0].type)) return "input is " + desc.inputs[0].type.name();
  if (desc.inputs[frequencies].type != DType::kFloat32) return "frequencies are not float32";
  if (rope.head_dim > 1024) return "heads above 1024";
  if (desc.op == "rope") return "";
  for (size_t i : {1, 2}) {
    if (!(desc.inputs[i].type == desc.inputs[0].type)) return "q, k and v differ in type";
    if (!has_io(desc.inputs[i + 2].type)) return "cache is " + desc.inputs[i + 2].type.name();
  }
  return "";
}

inline std::unique_ptr<KernelInstance> rope_prepare(const KernelDesc& desc, std::string_view) {
  const RopeParams rope(desc.attrs);
  return make_instance([rope](const LaunchArgs& args, ExecContext& context) {
    const TensorView& x = args.inputs[0];
    const TensorView& out = args.outputs[0];
    context.team->parallel_for(x.rows(), row_grain(x.columns()), [&](int64_t begin, int64_t end) {
      Rotation rotation(rope, args.inputs[2]);
      for (int64_t t = begin; t < end; ++t) {
        rotation.set_position(t, load_index(args.inputs[1], t));
        rotation.row(x, t, out);
      }
    });
  });
}

inline std::unique_ptr<KernelInstance> rope_kv_append_prepare(const KernelDesc& desc,
                                                              std::string_view) {
  const RopeParams rope(desc.attrs);
  return make_instance([rope](const LaunchArgs& args, ExecContext& context) {
    const TensorView& q = args.inputs[0];
    const TensorView& k = args.inputs[1];
    const TensorView& v = args.inputs[2];
    const KvPages keys(args.outputs[1], args.inputs[7]);
    const KvPages values(args.outputs[2], args.inputs[7]);
    const int64_t work = q.columns() + k.columns() + v.columns();
    context.team->parallel_for(q.rows(), row_grain(work), [&](int64_t begin, int64_t end) {
      Rotation rotation(rope, args.inputs[8]);
      for (int64_t t = begin; t < end; ++t) {
        const int64_t position = load_index(args.inputs[5], t);
        const int64_t row = load_index(args.inputs[6], t);
        rotation.set_position(t, position);
        rotation.row(q, t, args.outputs[0]);
        for (int64_t h = 0; h < keys.heads(); ++h) {
          alignas(64) std::byte head[4096];
          rotation.head(k, t, h, head);
          copy_elements(k.type, head, keys.type(), keys.slot(row, position, h), rope.head_dim);
          copy_elements(v.type, v.row(t) + v.type.bytes(h * rope.head_dim), values.type(),
                        values.slot(row, position, h), rope.head_dim);
        }
      }
    });
  });
}

inline std::vector<SelfTestCase> rope_cases() {
  return {{.attrs = {{"head_dim", int64_t{24}}},
           .inputs = {{DType::kFloat32, {2, 48}},
                      {DType::kInt32, {2}, false, {7, 1000}},
                      {DType::kFloat32, {11}}}}};
}
// Rotary embedding.
template <const KernelDef& (*kSelf)()>
KernelDef rope_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, rope_supports, rope_cases>(name, "rope", rope_prepare);
}

inline std::vector<SelfTestCase> rope_kv_append_cases() {
  return {{.attrs = {{"head_dim", int64_t{24}}},
           .inputs = {{DType::kFloat32, {2, 48}},
                      {DType::kFloat32, {2, 24}},
                      {DType::kFloat32, {2, 24}},
                      {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                      {DType::kFloat32, {2, 1, 32, 24}, false, {}, true},
                      {DType::kInt32, {2}, false, {7, 40}},
                      {DType::kInt32, {2}, false, {0, 0}},
                      {DType::kInt32, {1, 2}, false, {1, 0}},
                      {DType::kFloat32, {11}}}}};
}
// Rotary embedding of q and k with the KV append.
template <const KernelDef& (*kSelf)()>
KernelDef rope_kv_append_vec_kernel(std::string_view name) {
  return vec_kernel<kSelf, rope_supports, rope_kv_append_cases>(name, "rope_kv_append",
                                                                rope_kv_append_prepare);
}

}  // namespace
}  // namespace ingot::cpu
