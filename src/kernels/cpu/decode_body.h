// Reading encoded rows as float32, written against vec_<isa>.h: in registers inside a dot product,
// or a row at a time into memory. Both give the same bits.
#pragma once

#include "tensor/formats/q4_1.h"
#include "tensor/formats/q8_0.h"
#include "tensor/tensor_view.h"

namespace ingot::cpu {
namespace {

// A policy says how kStep weights starting at k are read: open() once, get() for each of kParts
// vectors, get_n() for a last one of n < kLanes elements.
struct F32Policy {
  using X = float;
  static constexpr int kStep = kLanes;
  static constexpr int kStepBytes = kLanes * 4;
  static constexpr int kParts = 1;
  static constexpr int kMaxRows = kWideRegisters ? 6 : 2;
  struct State {
    const float* p;
  };
  VEC_FN State open(const std::byte* row, int64_t k) {
    return {reinterpret_cast<const float*>(row) + k};
  }
  VEC_FN Vec get(const State& s, int) { return vload(s.p); }
  VEC_FN Vec get_n(const State& s, int64_t n) { return vload_n(s.p, n); }
};

template <class Io>
struct HalfPolicy {
  using X = float;
  static constexpr int kStep = kLanes;
  static constexpr int kStepBytes = kLanes * 2;
  static constexpr int kParts = 1;
  static constexpr int kMaxRows = kWideRegisters ? 6 : 2;
  struct State {
    const uint16_t* p;
  };
  VEC_FN State open(const std::byte* row, int64_t k) {
    return {reinterpret_cast<const uint16_t*>(row) + k};
  }
  VEC_FN Vec get(const State& s, int) { return Io::load(s.p); }
  VEC_FN Vec get_n(const State& s, int64_t n) { return Io::load_n(s.p, n); }
};

VEC_FN float half_at(const uint16_t* p) { return _cvtsh_ss(*p); }

// d * q and d * q + m round once at most: d and m have 11 significant bits, q at most 8, so the
// product is exact and a fused multiply-add equals the format's definition.
struct Q8_0Policy {
  using X = float;
  static constexpr int kStep = 32;
  static constexpr int kStepBytes = sizeof(Q8_0Block);
  static constexpr int kParts = 32 / kLanes;
  static constexpr int kMaxRows = kWideRegisters ? 4 : 2;
  struct State {
    Vec d;
    const int8_t* q;
  };
  VEC_FN State open(const std::byte* row, int64_t k) {
    const auto* block = reinterpret_cast<const Q8_0Block*>(row) + k / 32;
    return {vset(half_at(&block->d)), block->q};
  }
  VEC_FN Vec get(const State& s, int part) { return vmul(s.d, vload_i8(s.q + part * kLanes)); }
  VEC_FN Vec get_n(const State&, int64_t) { return vzero(); }
};

struct Q4_1Policy {
  using X = float;
  static constexpr int kStep = 32;
  static constexpr int kStepBytes = sizeof(Q4_1Block);
  static constexpr int kParts = 32 / kLanes;
  static constexpr int kMaxRows = kWideRegisters ? 4 : 2;
  struct State {
    Vec d;
    Vec m;
    const uint8_t* q;
  };
  VEC_FN State open(const std::byte* row, int64_t k) {
    const auto* block = reinterpret_cast<const Q4_1Block*>(row) + k / 32;
    return {vset(half_at(&block->d)), vset(half_at(&block->m)), block->q};
  }
  VEC_FN Vec get(const State& s, int part) {
    constexpr int kHalf = kParts / 2;
    const Vec q =
        part < kHalf ? vload_low4(s.q + part * kLanes) : vload_high4(s.q + (part - kHalf) * kLanes);
    return vfma(s.d, q, s.m);
  }
  VEC_FN Vec get_n(const State&, int64_t) { return vzero(); }
};

template <class P>
ISA_FN void decode_row(const std::byte* row, int64_t k, float* dst) {
  const int64_t whole = k / P::kStep * P::kStep;
  for (int64_t i = 0; i < whole; i += P::kStep) {
    const typename P::State state = P::open(row, i);
#pragma GCC unroll 4
    for (int part = 0; part < P::kParts; ++part) {
      vstore(dst + i + part * kLanes, P::get(state, part));
    }
  }
  if (whole < k) vstore_n(dst + whole, P::get_n(P::open(row, whole), k - whole), k - whole);
}

using Bf16Policy = HalfPolicy<Bf16Io>;
using F16Policy = HalfPolicy<F16Io>;

// Calls f with the policy that reads `type` in registers; false if there is none.
template <class F>
bool with_policy(const ElementType& type, F&& f) {
  if (type == DType::kFloat32) return f(F32Policy{}), true;
  if (type == DType::kBFloat16) return f(Bf16Policy{}), true;
  if (type == DType::kFloat16) return f(F16Policy{}), true;
  if (type.is_block() && type.block->name == "q8_0") return f(Q8_0Policy{}), true;
  if (type.is_block() && type.block->name == "q4_1") return f(Q4_1Policy{}), true;
  return false;
}

inline void decode_any_row(const TensorView& w, int64_t row, float* dst) {
  const bool done = with_policy(
      w.type, [&](auto policy) { decode_row<decltype(policy)>(w.row(row), w.columns(), dst); });
  if (!done) load_row(w, row, 0, w.columns(), dst);
}

}  // namespace
}  // namespace ingot::cpu
