// Q4_1 in registers; included by kernels/cpu/decode_body.h, which says what the names mean.
#pragma once

namespace ingot::cpu {
namespace {

// d * q + m rounds once: d and m have 11 significant bits, q 4, so the product is exact and a fused
// multiply-add equals the format's definition.
template <>
struct BlockPolicy<Q4_1Block> {
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

}  // namespace
}  // namespace ingot::cpu
