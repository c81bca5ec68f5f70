// Elementary functions on Vec; include after vec_<isa>.h. The polynomials are our own minimax fits
// (Lawson iteration in float64 on the stated intervals); errors are of the fit, before float32
// rounding.
#pragma once

#include <cstdint>

namespace ingot::cpu {
namespace {

constexpr float kLog2E = 1.44269504f;
constexpr float kLn2High = 0.693147182f;
constexpr float kLn2Low = -1.90465421e-9f;

// e^x, relative error about 1e-7; 0 below -87 (so that e^-inf is 0), finite up to 88.3, and the
// value at 88.3 beyond. NaN stays NaN.
VEC_FN Vec vexp(Vec x) {
  const Vec clamped = vmin(vmax(x, vset(-87.0f)), vset(88.3f));
  const Vec n = vround(vmul(clamped, vset(kLog2E)));
  const Vec r = vfnma(n, vset(kLn2Low), vfnma(n, vset(kLn2High), clamped));
  // e^r = 1 + r + r^2 p(r) on +-ln2/2, relative error 3.3e-9.
  Vec p = vset(0.0013813142f);
  p = vfma(p, r, vset(0.008369419f));
  p = vfma(p, r, vset(0.041668456f));
  p = vfma(p, r, vset(0.16666515f));
  p = vfma(p, r, vset(0.49999994f));
  p = vfma(vmul(r, r), p, r);
  const Vec y = vmul(vadd(p, vset(1.0f)), vexp2_int(n));
  return vkeep_nan(x, vselect_lt(x, vset(-87.0f), vzero(), y));
}

VEC_FN Vec vsigmoid(Vec x) { return vdiv(vset(1.0f), vadd(vset(1.0f), vexp(vsub(vzero(), x)))); }

VEC_FN Vec vtanh(Vec x) {
  // 1 - 2 / (1 + e^2x) loses relative accuracy near 0, where a series takes over.
  const Vec far = vfnma(vset(2.0f), vsigmoid(vmul(vset(-2.0f), x)), vset(1.0f));
  const Vec s = vmul(x, x);
  Vec p = vset(-17.0f / 315.0f);
  p = vfma(p, s, vset(2.0f / 15.0f));
  p = vfma(p, s, vset(-1.0f / 3.0f));
  const Vec near = vfma(vmul(x, s), p, x);
  return vselect_lt(vabs(x), vset(0.1f), near, far);
}

// Absolute error about 1e-7.
VEC_FN Vec verf(Vec x) {
  const Vec s = vmul(x, x);
  // x * p(x^2) on |x| <= 1, error 1.2e-9.
  Vec p = vset(7.889286e-05f);
  p = vfma(p, s, vset(-0.0008020895f));
  p = vfma(p, s, vset(0.005189542f));
  p = vfma(p, s, vset(-0.026854448f));
  p = vfma(p, s, vset(0.112836f));
  p = vfma(p, s, vset(-0.37612626f));
  p = vfma(p, s, vset(1.1283791f));
  // 1 - e^q(|x|) on [1, 4], error 2.1e-11; erfc(4) is below half a unit in the last place of 1.
  const Vec a = vmin(vabs(x), vset(4.0f));
  Vec q = vset(-2.168676e-05f);
  q = vfma(q, a, vset(0.00044133523f));
  q = vfma(q, a, vset(-0.004204556f));
  q = vfma(q, a, vset(0.02520824f));
  q = vfma(q, a, vset(-0.10841855f));
  q = vfma(q, a, vset(-0.6332199f));
  q = vfma(q, a, vset(-1.1295784f));
  q = vfma(q, a, vset(0.00018803675f));
  const Vec far = vcopysign(vsub(vset(1.0f), vexp(q)), x);
  return vkeep_nan(x, vselect_lt(vabs(x), vset(1.0f), vmul(x, p), far));
}

// x * Phi(x).
VEC_FN Vec vgelu(Vec x) {
  const Vec half = vmul(vset(0.5f), x);
  return vfma(half, verf(vmul(x, vset(0.70710678f))), half);
}
// 0.5 x (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3), where 0.5 (1 + tanh u) = sigmoid(2u).
VEC_FN Vec vgelu_tanh(Vec x) {
  const Vec cube = vmul(vmul(x, x), x);
  const Vec u = vmul(vset(0.79788456f), vfma(vset(0.044715f), cube, x));
  return vmul(x, vsigmoid(vadd(u, u)));
}

// Largest |angle| for which the three-part reduction below keeps about 1e-7 absolute error.
constexpr float kMaxReducedAngle = 1.0e6f;

// sin and cos of angles up to kMaxReducedAngle.
VEC_FN void vsincos(Vec angle, Vec* sine, Vec* cosine) {
  const Vec n = vround(vmul(angle, vset(0.636619772f)));
  Vec r = vfnma(n, vset(1.5707964f), angle);
  r = vfnma(n, vset(-4.371139e-08f), r);
  r = vfnma(n, vset(-1.7763568e-15f), r);
  const Vec s = vmul(r, r);
  // sin r = r + r^3 p(r^2), cos r = 1 - r^2/2 + r^4 q(r^2) on +-pi/4, errors 3.9e-9 and 1.1e-10.
  Vec p = vset(-0.00019510838f);
  p = vfma(p, s, vset(0.008332131f));
  p = vfma(p, s, vset(-0.16666654f));
  const Vec sin_r = vfma(vmul(r, s), p, r);
  Vec q = vset(2.4431203e-05f);
  q = vfma(q, s, vset(-0.0013887306f));
  q = vfma(q, s, vset(0.041666646f));
  const Vec cos_r = vfma(vmul(s, s), q, vfnma(vset(0.5f), s, vset(1.0f)));
  // Quadrant n mod 4 in {0, 1, 2, 3}: odd ones swap, sin is negative in 2 and 3, cos in 1 and 2.
  const Vec quadrant = vfnma(vset(4.0f), vfloor(vmul(n, vset(0.25f))), n);
  const Vec odd = vfnma(vset(2.0f), vfloor(vmul(quadrant, vset(0.5f))), quadrant);
  const Vec a = vselect_lt(odd, vset(0.5f), sin_r, cos_r);
  const Vec b = vselect_lt(odd, vset(0.5f), cos_r, sin_r);
  *sine = vselect_lt(quadrant, vset(1.5f), a, vsub(vzero(), a));
  const Vec from_middle = vabs(vsub(quadrant, vset(1.5f)));
  *cosine = vselect_lt(from_middle, vset(1.0f), vsub(vzero(), b), b);
}

}  // namespace
}  // namespace ingot::cpu
