// Half types on the host; roundings to the nearest, ties to even.
#pragma once
#include <cstdint>
#include <cstring>

inline float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float bf16_to_float(uint16_t half) { return from_bits(uint32_t(half) << 16); }

inline uint16_t float_to_bf16(float value) {
  uint32_t bits = to_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

inline float f16_to_float(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 31;
  uint32_t mantissa = half & 1023;
  if (exponent == 31) return from_bits(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
  float magnitude = float(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

inline uint16_t float_to_f16(float value) {
  uint32_t bits = to_bits(value);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00);
  // Below 2^-14 one unit is 2^-24, which is what a float near 0.5 has too.
  if (magnitude < 0x38800000u) return uint16_t(sign | (to_bits(from_bits(magnitude) + 0.5f) - 0x3f000000u));
  return uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13));
}

// A float as tensor cores see it in tf32; ties away from zero.
inline float rounded_to_tf32(float value) {
  uint32_t bits = to_bits(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return from_bits((bits + 0x1000u) & ~0x1fffu);
}

inline float rounded_to_bf16(float value) { return bf16_to_float(float_to_bf16(value)); }
