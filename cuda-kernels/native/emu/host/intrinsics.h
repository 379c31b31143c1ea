// The built-in device functions that kernels use: barriers, warp operations, bits, mathematics.
#pragma once

namespace cuhost {

template <class Visit>
inline void for_each_lane(uint32_t mask, Visit&& visit) {
  for (; mask; mask &= mask - 1) visit(__builtin_ctz(mask));
}

// source_of(lane): the lane whose value this lane gets.
template <class T, class Source>
inline T shuffle(uint32_t mask, T value, Source source_of) {
  return collective<T, T>(mask, OP_SHFL, value, [&](Warp& warp) {
    for_each_lane(mask, [&](int lane) {
      int source = source_of(lane);
      if (mask >> source & 1) {
        output<T>(warp, lane) = input<T>(warp, source);
      } else {
        std::memset(warp.out[lane], 0xFF, sizeof(T));  // undefined on a GPU: NaN here
      }
    });
  });
}

template <class T, class Combine>
inline T reduce(uint32_t mask, T value, Combine combine) {
  return collective<T, T>(mask, OP_REDUCE, value, [&](Warp& warp) {
    T result = input<T>(warp, __builtin_ctz(mask));
    for_each_lane(mask & (mask - 1), [&](int lane) { result = combine(result, input<T>(warp, lane)); });
    for_each_lane(mask, [&](int lane) { output<T>(warp, lane) = result; });
  });
}

}  // namespace cuhost

// ---- barriers and fences ----------------------------------------------------------------------------

inline void __syncthreads() { ::cuhost::block_barrier(false); }

inline int __syncthreads_count(int predicate) { return ::cuhost::block_barrier(predicate != 0).counted; }

inline int __syncthreads_or(int predicate) { return ::cuhost::block_barrier(predicate != 0).counted != 0; }

inline int __syncthreads_and(int predicate) {
  ::cuhost::BarrierResult result = ::cuhost::block_barrier(predicate != 0);
  return result.counted == result.threads;
}

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  ::cuhost::collective<char, char>(mask, ::cuhost::OP_SYNCWARP, 0, [](::cuhost::Warp&) {});
}

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

// ---- shuffles -----------------------------------------------------------------------------------------
// A lane whose source lies outside its segment of `width` lanes keeps its own value.

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return ::cuhost::shuffle(mask, value, [=](int lane) { return (lane & ~(width - 1)) | (source & (width - 1)); });
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return ::cuhost::shuffle(mask, value, [=](int lane) {
    int source = lane - int(delta);
    return source < (lane & ~(width - 1)) ? lane : source;
  });
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return ::cuhost::shuffle(mask, value, [=](int lane) {
    int source = lane + int(delta);
    return source > (lane | (width - 1)) ? lane : source;
  });
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  return ::cuhost::shuffle(mask, value, [=](int lane) {
    int source = lane ^ lane_mask;
    return source > (lane | (width - 1)) ? lane : source;
  });
}

// ---- votes, matches, reductions -------------------------------------------------------------------------

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return ::cuhost::collective<int, unsigned>(mask, ::cuhost::OP_BALLOT, predicate != 0, [&](::cuhost::Warp& warp) {
    unsigned ballot = 0;
    ::cuhost::for_each_lane(mask & warp.all, [&](int lane) {
      ballot |= unsigned(::cuhost::input<int>(warp, lane)) << lane;
    });
    ::cuhost::for_each_lane(mask, [&](int lane) { ::cuhost::output<unsigned>(warp, lane) = ballot; });
  });
}

inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == (mask & ::cuhost::current->warp->all);
}

// The least that a GPU promises: lanes that run together may be found apart.
inline unsigned __activemask() { return 1u << ::cuhost::current->lane; }

// The lanes of the mask that have the same value as the calling one.
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value) {
  return ::cuhost::collective<T, unsigned>(mask, ::cuhost::OP_MATCH, value, [&](::cuhost::Warp& warp) {
    ::cuhost::for_each_lane(mask & warp.all, [&](int lane) {
      unsigned same = 0;
      ::cuhost::for_each_lane(mask & warp.all, [&](int other) {
        same |= unsigned(std::memcmp(warp.in[lane], warp.in[other], sizeof(T)) == 0) << other;
      });
      ::cuhost::output<unsigned>(warp, lane) = same;
    });
  });
}

template <class T>
inline unsigned __match_all_sync(unsigned mask, T value, int* predicate) {
  unsigned same = __match_any_sync(mask, value);
  *predicate = same == (mask & ::cuhost::current->warp->all);
  return *predicate ? same : 0;
}

template <class T>
inline T __reduce_add_sync(unsigned mask, T value) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4);
  return T(::cuhost::reduce(mask, unsigned(value), [](unsigned a, unsigned b) { return a + b; }));
}

template <class T>
inline T __reduce_min_sync(unsigned mask, T value) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4);
  return ::cuhost::reduce(mask, value, [](T a, T b) { return b < a ? b : a; });
}

template <class T>
inline T __reduce_max_sync(unsigned mask, T value) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4);
  return ::cuhost::reduce(mask, value, [](T a, T b) { return a < b ? b : a; });
}

inline unsigned __reduce_and_sync(unsigned mask, unsigned value) {
  return ::cuhost::reduce(mask, value, [](unsigned a, unsigned b) { return a & b; });
}

inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  return ::cuhost::reduce(mask, value, [](unsigned a, unsigned b) { return a | b; });
}

inline unsigned __reduce_xor_sync(unsigned mask, unsigned value) {
  return ::cuhost::reduce(mask, value, [](unsigned a, unsigned b) { return a ^ b; });
}

// ---- bits ---------------------------------------------------------------------------------------------

inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __popcll(unsigned long long value) { return __builtin_popcountll(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __ffsll(long long value) { return __builtin_ffsll(value); }
inline int __clz(int value) { return value ? __builtin_clz(unsigned(value)) : 32; }
inline int __clzll(long long value) { return value ? __builtin_clzll((unsigned long long)value) : 64; }

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}

namespace cuhost {
template <class To, class From>
inline To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
}  // namespace cuhost

inline unsigned __float_as_uint(float value) { return ::cuhost::same_bits<unsigned>(value); }
inline int __float_as_int(float value) { return ::cuhost::same_bits<int>(value); }
inline float __uint_as_float(unsigned bits) { return ::cuhost::same_bits<float>(bits); }
inline float __int_as_float(int bits) { return ::cuhost::same_bits<float>(bits); }
inline long long __double_as_longlong(double value) { return ::cuhost::same_bits<long long>(value); }
inline double __longlong_as_double(long long bits) { return ::cuhost::same_bits<double>(bits); }

// ---- mathematics --------------------------------------------------------------------------------------
// expf, tanhf, erff, fmaf, sqrt and the like are the C library's.

template <class T>
inline T __ldg(const T* address) {
  return *address;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

// Roundings that are written down: never contracted with a neighbour.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }

// The fast ones, where a kernel may be less exact; here they are exact.
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }

inline int __float2int_rn(float x) { return int(std::lrint(x)); }

// As on the GPU, a NaN loses against a number.
inline float max(float a, float b) { return std::fmax(a, b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }

#define CUHOST_MIN_MAX(T)                           \
  inline T max(T a, T b) { return a < b ? b : a; } \
  inline T min(T a, T b) { return b < a ? b : a; }
CUHOST_MIN_MAX(int)
CUHOST_MIN_MAX(unsigned)
CUHOST_MIN_MAX(long)
CUHOST_MIN_MAX(unsigned long)
CUHOST_MIN_MAX(long long)
CUHOST_MIN_MAX(unsigned long long)
#undef CUHOST_MIN_MAX
