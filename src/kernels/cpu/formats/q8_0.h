// Q8_0 in registers; included by kernels/cpu/decode_body.h, which says what the names mean.
#pragma once

namespace ingot::cpu {
namespace {

// d * q is exact: d has 11 significant bits, q at most 8.
template <>
struct BlockPolicy<Q8_0Block> {
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

}  // namespace
}  // namespace ingot::cpu
