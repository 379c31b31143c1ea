// The storage types bf16 and f16, and their conversions; all of them round to the nearest, ties to even.
#pragma once

namespace dv {

struct __align__(2) bf16 {
  unsigned short u;
};

struct __align__(2) f16 {
  unsigned short u;
};

// Lets kernels be templates over the type of their weights.
DV float to_f32(float value) { return value; }

// ---- bf16: the upper half of a float -------------------------------------------------------------------

DV float to_f32(bf16 value) { return __uint_as_float(unsigned(value.u) << 16); }

DV float bf16_low(unsigned pair) { return __uint_as_float(pair << 16); }

DV float bf16_high(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

DV bf16 to_bf16(float value) {
#ifdef __CUDACC__
  bf16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.u) : "f"(value));
  return result;
#else
  unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<unsigned short>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
#endif
}

// Two values in one word, the first in the low half.
DV unsigned pack_bf16(float low, float high) {
#ifdef __CUDACC__
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return unsigned(to_bf16(low).u) | unsigned(to_bf16(high).u) << 16;
#endif
}

// ---- f16: IEEE 754 binary16 ------------------------------------------------------------------------------

DV float to_f32(f16 value) {
#ifdef __CUDACC__
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.u));
  return result;
#else
  unsigned sign = unsigned(value.u & 0x8000) << 16;
  unsigned exponent = value.u >> 10 & 31;
  unsigned mantissa = value.u & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
  // Zero and subnormals: mantissa times 2^-24, exact in a float.
  float magnitude = float(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
#endif
}

DV f16 to_f16(float value) {
#ifdef __CUDACC__
  f16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.u) : "f"(value));
  return result;
#else
  unsigned bits = __float_as_uint(value);
  unsigned sign = bits >> 16 & 0x8000;
  unsigned magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {0x7fff};
  // 65520 is halfway between the largest finite number and the next power of two.
  if (magnitude >= 0x477ff000u) return {static_cast<unsigned short>(sign | 0x7c00)};
  if (magnitude < 0x38800000u) {
    // Below 2^-14 one unit is 2^-24: adding 0.5 makes the float's own rounding do it.
    unsigned rounded = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u;
    return {static_cast<unsigned short>(sign | rounded)};
  }
  unsigned rounded = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13;
  return {static_cast<unsigned short>(sign | rounded)};
#endif
}

DV float f16_low(unsigned pair) { return to_f32(f16{static_cast<unsigned short>(pair & 0xffffu)}); }

DV float f16_high(unsigned pair) { return to_f32(f16{static_cast<unsigned short>(pair >> 16)}); }

DV unsigned pack_f16(float low, float high) { return unsigned(to_f16(low).u) | unsigned(to_f16(high).u) << 16; }

// ---- by name of the target type, for templates -----------------------------------------------------------

template <class T>
DV T from_f32(float value);

template <>
DV float from_f32<float>(float value) {
  return value;
}

template <>
DV bf16 from_f32<bf16>(float value) {
  return to_bf16(value);
}

template <>
DV f16 from_f32<f16>(float value) {
  return to_f16(value);
}

// ---- tf32: a float whose low 13 bits do not count; ties away from zero -------------------------------------

DV unsigned to_tf32(float value) {
#ifdef __CUDACC__
  unsigned result;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
#else
  unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;
  if ((bits & 0x7fffffffu) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & ~0x1fffu;
#endif
}

}  // namespace dv
