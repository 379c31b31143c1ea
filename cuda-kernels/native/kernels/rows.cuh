// Rows of a matrix, each to one team of threads: a warp where rows are short, else a block.
//
// A launch has blockDim.x threads to a row and blockDim.y rows to a block, several only where a team
// is one warp. Sums over a row are in float64: a conversion and an addition for each element, which
// even cards with 1/64 of the float32 rate do while the element is on its way from memory. What is
// done to the elements is in float32.
#pragma once
#include "dev.cuh"

namespace rows {

// Elements that each thread keeps in registers between the passes over a row.
constexpr int KEPT = 8;

// The row of this team. Not below the number of rows in a warp that is left over.
DV long long mine() { return (long long)blockIdx.x * blockDim.y + threadIdx.y; }

// ---- sums and maxima over a team, the same bits in each of its threads ------------------------------

DV double warp_sum(double v) {
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

DV double team_sum(double v) {
  v = warp_sum(v);
  if (blockDim.x == 32) return v;
  __shared__ double part[32];
  int lane = threadIdx.x & 31;
  if (lane == 0) part[threadIdx.x >> 5] = v;
  __syncthreads();
  v = warp_sum(lane < int(blockDim.x >> 5) ? part[lane] : 0.0);
  __syncthreads();  // part is written again by the next sum
  return v;
}

// Two sums for the price of one.
DV void team_sum(double& a, double& b) {
  a = warp_sum(a);
  b = warp_sum(b);
  if (blockDim.x == 32) return;
  __shared__ double part[2][32];
  int lane = threadIdx.x & 31;
  if (lane == 0) {
    part[0][threadIdx.x >> 5] = a;
    part[1][threadIdx.x >> 5] = b;
  }
  __syncthreads();
  bool there = lane < int(blockDim.x >> 5);
  a = warp_sum(there ? part[0][lane] : 0.0);
  b = warp_sum(there ? part[1][lane] : 0.0);
  __syncthreads();
}

// The greater one; NaN where one of them is.
DV float greater(float a, float b) { return b > a || b != b ? b : a; }

DV float warp_max(float v) {
  for (int o = 16; o; o >>= 1) v = greater(v, __shfl_xor_sync(0xffffffffu, v, o));
  return v;
}

DV float team_max(float v) {
  v = warp_max(v);
  if (blockDim.x == 32) return v;
  __shared__ float part[32];
  int lane = threadIdx.x & 31;
  if (lane == 0) part[threadIdx.x >> 5] = v;
  __syncthreads();
  v = warp_max(lane < int(blockDim.x >> 5) ? part[lane] : -INFINITY);
  __syncthreads();
  return v;
}

// ---- elements -----------------------------------------------------------------------------------

template <int W> DV void load(float (&v)[W], const float* from) {
  if constexpr (W == 4) {
    float4 four = *reinterpret_cast<const float4*>(from);
    v[0] = four.x;
    v[1] = four.y;
    v[2] = four.z;
    v[3] = four.w;
  } else {
    v[0] = *from;
  }
}

template <int W> DV void store(float* to, const float (&v)[W]) {
  if constexpr (W == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
  } else {
    *to = v[0];
  }
}

// A thread's part of the same row of N matrices: W neighbouring columns at a time, W * blockDim.x
// apart. With KEEP it is read once and kept, otherwise each pass reads it again.
template <int W, bool KEEP, int N> struct Rows {
  const float* at[N];
  long long columns;
  float kept[N][KEEP ? KEPT : 1];

  DV Rows(long long width, const float* first) : at{first}, columns(width) { fill(); }
  DV Rows(long long width, const float* first, const float* second)
      : at{first, second}, columns(width) {
    fill();
  }

  DV void fill() {
    if constexpr (KEEP) {
#pragma unroll
      for (int i = 0; i < KEPT / W; i++) {
        int c = (i * int(blockDim.x) + int(threadIdx.x)) * W;
        if (c >= int(columns)) continue;
#pragma unroll
        for (int n = 0; n < N; n++) {
          float v[W];
          load<W>(v, at[n] + c);
#pragma unroll
          for (int k = 0; k < W; k++) kept[n][i * W + k] = v[k];
        }
      }
    }
  }

  // body(column, v) for each W columns; v[n][k] may be changed, and is kept as it then is.
  template <class Body> DV void each(Body body) {
    if constexpr (KEEP) {
#pragma unroll
      for (int i = 0; i < KEPT / W; i++) {
        int c = (i * int(blockDim.x) + int(threadIdx.x)) * W;
        if (c >= int(columns)) continue;
        float v[N][W];
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int k = 0; k < W; k++) v[n][k] = kept[n][i * W + k];
        body(c, v);
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int k = 0; k < W; k++) kept[n][i * W + k] = v[n][k];
      }
    } else {
      for (long long c = threadIdx.x * W; c < columns; c += blockDim.x * W) {
        float v[N][W];
#pragma unroll
        for (int n = 0; n < N; n++) load<W>(v[n], at[n] + c);
        body(c, v);
      }
    }
  }
};

template <int WIDTH, bool KEEPS> struct Shape {
  static constexpr int W = WIDTH;
  static constexpr bool KEEP = KEEPS;
};

// Calls body with the Shape that fits.
// wide: rows are a multiple of four columns, and every matrix begins at a multiple of 16 bytes
template <class Body> DV void shaped(long long columns, int wide, Body body) {
  if (columns <= (long long)KEPT * blockDim.x) {
    if (wide) body(Shape<4, true>{});
    else body(Shape<1, true>{});
  } else {
    if (wide) body(Shape<4, false>{});
    else body(Shape<1, false>{});
  }
}

// A float64 as the sum of two float32, so that it can be taken from a float32 without a float64 operation.
struct Pair {
  float high, low;
  DV explicit Pair(double v) : high(float(v)), low(float(v - float(v))) {}
  DV float from(float x) const { return (x - high) - low; }
};

// e^(a - b), with the rounding of the difference made good.
DV float exp_difference(float a, float b) {
  float d = a - b;
  float e = expf(d);
  if (!(fabsf(d) < 128.0f)) return e;
  float t = a - d;
  float rest = (a - (d + t)) + (t - b);
  return fmaf(e, rest, e);
}

}  // namespace rows
