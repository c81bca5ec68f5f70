// Reading encoded rows as float32, written against vec_<isa>.h: in registers inside a dot product,
// or a row at a time into memory. Both give the same bits.
#pragma once

#include "tensor/tensor_view.h"
#include "tensor_format_shelf.h"

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

// How a block format is read in registers: kernels/cpu/formats/<format>.h, where there is one, says
// it in BlockPolicy of the format's block. Rows of the others are decoded into memory by load_row.
template <class Block>
struct BlockPolicy;
template <class Block>
concept DecodedInRegisters = requires {
  BlockPolicy<Block>::kStep;
};

}  // namespace
}  // namespace ingot::cpu

#include "kernels_cpu_format_shelf.h"

namespace ingot::cpu {
namespace {

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

template <class Block, class F>
bool with_block_policy([[maybe_unused]] const BlockFormat& format,
                       [[maybe_unused]] std::string_view name, [[maybe_unused]] F&& f) {
  if constexpr (DecodedInRegisters<Block>) {
    if (format.name == name) return f(BlockPolicy<Block>{}), true;
  }
  return false;
}

// Calls f with the policy that reads `type` in registers; false if there is none.
template <class F>
bool with_policy(const ElementType& type, F&& f) {
  if (type == DType::kFloat32) return f(F32Policy{}), true;
  if (type == DType::kBFloat16) return f(Bf16Policy{}), true;
  if (type == DType::kFloat16) return f(F16Policy{}), true;
  if (!type.is_block()) return false;
#define INGOT_TRY_FORMAT(stem, Block) \
  if (with_block_policy<Block>(*type.block, #stem, f)) return true;
  INGOT_TENSOR_FORMATS(INGOT_TRY_FORMAT)
#undef INGOT_TRY_FORMAT
  return false;
}

inline void decode_any_row(const TensorView& w, int64_t row, float* dst) {
  const bool done = with_policy(
      w.type, [&](auto policy) { decode_row<decltype(policy)>(w.row(row), w.columns(), dst); });
  if (!done) load_row(w, row, 0, w.columns(), dst);
}

}  // namespace
}  // namespace ingot::cpu
