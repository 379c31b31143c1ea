// Functions of one element and their derivatives, in float. Each has a few ulp; where an argument is rounded
// before an exponential, what was rounded away is put back, because the exponential would magnify it.
#pragma once

namespace dv {

constexpr float negative_infinity = -INFINITY;

// 1 / (1 + e^-(x + rest)), where rest is far smaller than x. Neither end overflows or cancels.
DV float sigmoid(float x, float rest) {
  float e = expf(-fabsf(x));
  e = fmaf(e, x < 0 ? rest : -rest, e);
  float upper = 1.0f / (1.0f + e);
  return x < 0 ? e * upper : upper;
}

DV float sigmoid(float x) { return sigmoid(x, 0.0f); }

// The product would be -infinity * 0 at -infinity, where the limit is -0.
DV float silu(float x) { return x == negative_infinity ? -0.0f : x * sigmoid(x); }

// An infinite x times 0 would be NaN where the limits are 0 and 1.
DV float silu_derivative(float x) {
  float s = sigmoid(x);
  float rest = sigmoid(-x);
  return s == 0 || rest == 0 ? s : s * fmaf(x, rest, 1.0f);
}

// ---- GELU with x * sigmoid(1.702 x) -------------------------------------------------------------------

constexpr float quick_slope = 1.702f;
constexpr float quick_slope_rest = float(1.702 - double(1.702f));

DV float quick_gelu(float x) {
  if (x == negative_infinity) return -0.0f;
  float scaled = quick_slope * x;
  float rest = fabsf(scaled) < 200.0f ? fmaf(quick_slope, x, -scaled) + quick_slope_rest * x : 0.0f;
  return x * sigmoid(scaled, rest);
}

// ---- GELU with erf ------------------------------------------------------------------------------------

constexpr float sqrt_half = float(0.70710678118654752440);
constexpr float sqrt_half_rest = float(0.70710678118654752440 - double(sqrt_half));
constexpr float two_by_sqrt_pi = 1.12837916709551257390f;
constexpr float inverse_sqrt_tau = 0.39894228040143267794f;

// erfc(-x / sqrt 2): twice the normal distribution function.
DV float twice_normal(float x) {
  float y = -x * sqrt_half;
  float value = erfcf(y);
  if (!(y > 0.0f && y < 15.0f)) return value;
  float rest = fmaf(-x, sqrt_half, -y) - x * sqrt_half_rest;
  return value - rest * two_by_sqrt_pi * expf(-y * y);
}

DV float gelu(float x) { return x == negative_infinity ? -0.0f : 0.5f * x * twice_normal(x); }

DV float gelu_derivative(float x) {
  float density = expf(-0.5f * x * x);
  return 0.5f * twice_normal(x) + (density == 0 ? 0.0f : x * density * inverse_sqrt_tau);
}

// ---- GELU with tanh -----------------------------------------------------------------------------------
// 0.5 (1 + tanh u) is sigmoid(2u), which does not cancel for negative u; 2u = x (slope + cubic x^2).

constexpr double tanh_slope = 1.59576912160573071176;
constexpr double tanh_cubic = tanh_slope * 0.044715;
constexpr float tanh_slope_high = float(tanh_slope);
constexpr float tanh_slope_rest = float(tanh_slope - double(tanh_slope_high));
constexpr float tanh_cubic_high = float(tanh_cubic);
constexpr float tanh_cubic_rest = float(tanh_cubic - double(tanh_cubic_high));

struct Argument {
  float value;
  float rest;
};

DV Argument gelu_tanh_argument(float x) {
  // Beyond 20 the sigmoid is 0 or 1, and squares might overflow.
  x = x > 20.0f ? 20.0f : x < -20.0f ? -20.0f : x;
  float square = x * x;
  float square_rest = fmaf(x, x, -square);
  float cubic = tanh_cubic_high * square;
  float cubic_rest = fmaf(tanh_cubic_high, square, -cubic);
  cubic_rest += tanh_cubic_high * square_rest + tanh_cubic_rest * square;
  float factor = tanh_slope_high + cubic;
  // Exact: what the sum of two floats rounded away (Knuth).
  float back = factor - tanh_slope_high;
  float factor_rest = (tanh_slope_high - (factor - back)) + (cubic - back);
  factor_rest += tanh_slope_rest + cubic_rest;
  float value = factor * x;
  return {value, fmaf(factor, x, -value) + factor_rest * x};
}

DV float gelu_tanh(float x) {
  Argument u = gelu_tanh_argument(x);
  float s = sigmoid(u.value, u.rest);
  return s == 0 ? -0.0f : x * s;
}

DV float gelu_tanh_derivative(float x) {
  Argument u = gelu_tanh_argument(x);
  float s = sigmoid(u.value, u.rest);
  float slope = s * sigmoid(-u.value, -u.rest);
  float inner = fmaf(3.0f * tanh_cubic_high * x, x, tanh_slope_high);
  return slope == 0 ? s : fmaf(x * slope, inner, s);
}

// ---- the rest -----------------------------------------------------------------------------------------

DV float relu(float x) { return x > 0 || x != x ? x : 0.0f; }

// NaN when either side is; of zeros, +0 is the larger one.
DV float maximum(float a, float b) {
  if (a != a) return a;
  if (b != b) return b;
  if (a == b) return __uint_as_float(__float_as_uint(a) & __float_as_uint(b));
  return a > b ? a : b;
}

DV float minimum(float a, float b) {
  if (a != a) return a;
  if (b != b) return b;
  if (a == b) return __uint_as_float(__float_as_uint(a) | __float_as_uint(b));
  return a < b ? a : b;
}

}  // namespace dv
