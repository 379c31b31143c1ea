// Reductions over the last dimensions, and argmax. Sums are taken in float64; which thread adds what, and how
// partial sums are put together, follows from the shapes alone.
#include "dev.cuh"

#include "places.cuh"

namespace reduce {

using namespace dv;

// In the order of dev.theriac.backend.ReduceKind.
enum Kind { SUM, MEAN, MAX, MIN };

DV double first_value(int kind) {
  switch (kind) {
    case MAX:
      return -INFINITY;
    case MIN:
      return INFINITY;
    default:
      return 0;
  }
}

// NaN wins over every number, and of two zeros +0 is the larger one.
DV double combine(int kind, double a, double b) {
  if (kind <= MEAN) return a + b;
  if (a != a) return a;
  if (b != b) return b;
  if (a == b) {
    long long x = __double_as_longlong(a);
    long long y = __double_as_longlong(b);
    return __longlong_as_double(kind == MAX ? x & y : x | y);
  }
  return (a > b) == (kind == MAX) ? a : b;
}

DV double combine_warp(int kind, double value) {
  for (int offset = 16; offset > 0; offset >>= 1) {
    value = combine(kind, value, __shfl_xor_sync(all_lanes, value, offset));
  }
  return value;
}

DV float finished(int kind, double value, long long columns) {
  return float(kind == MEAN ? value / double(columns) : value);
}

DV long long place_of(const Places<1>& places, long long count, long long i) {
  long long at[1][1];
  locate(places, count, i, 0, at);
  return at[0][0];
}

// A row for each group of 32 or 256 threads; blockIdx.y is the part of the row. With one part the result goes
// to out, else to partial[row][part].
extern "C" __global__ void __launch_bounds__(256)
    reduce_rows(int kind, const float* x, const __grid_constant__ Places<1> outer, long long rows,
                const __grid_constant__ Places<1> inner, long long columns, long long chunk, int lanes, double* partial,
                float* out) {
  __shared__ double of_warp[8];
  long long row = (long long)blockIdx.x * (256 / lanes) + threadIdx.x / lanes;
  int lane = threadIdx.x % lanes;
  double value = first_value(kind);
  if (row < rows) {
    const float* base = x + place_of(outer, rows, row);
    long long from = blockIdx.y * chunk;
    long long to = from + chunk < columns ? from + chunk : columns;
#pragma unroll 4
    for (long long i = from + lane; i < to; i += lanes) {
      value = combine(kind, value, base[place_of(inner, columns, i)]);
    }
  }
  value = combine_warp(kind, value);
  if (lanes > 32) {
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    value = of_warp[0];
    for (int warp = 1; warp < 8; warp++) value = combine(kind, value, of_warp[warp]);
  }
  if (lane != 0 || row >= rows) return;
  if (gridDim.y == 1) {
    out[row] = finished(kind, value, columns);
  } else {
    partial[row * gridDim.y + blockIdx.y] = value;
  }
}
CU_EXPORT(reduce_rows);

// As reduce_rows, for rows whose elements are far apart while rows lie side by side: 32 neighbouring rows for
// each block of 32 x 8 threads.
extern "C" __global__ void __launch_bounds__(256)
    reduce_columns(int kind, const float* x, const __grid_constant__ Places<1> outer, long long rows,
                   const __grid_constant__ Places<1> inner, long long columns, long long chunk, double* partial,
                   float* out) {
  __shared__ double of_line[8][32];
  int lane = threadIdx.x;
  int line = threadIdx.y;
  long long row = (long long)blockIdx.x * 32 + lane;
  double value = first_value(kind);
  if (row < rows) {
    const float* base = x + place_of(outer, rows, row);
    long long from = blockIdx.y * chunk;
    long long to = from + chunk < columns ? from + chunk : columns;
#pragma unroll 4
    for (long long i = from + line; i < to; i += 8) {
      value = combine(kind, value, base[place_of(inner, columns, i)]);
    }
  }
  of_line[line][lane] = value;
  __syncthreads();
  if (line != 0 || row >= rows) return;
  for (int other = 1; other < 8; other++) value = combine(kind, value, of_line[other][lane]);
  if (gridDim.y == 1) {
    out[row] = finished(kind, value, columns);
  } else {
    partial[row * gridDim.y + blockIdx.y] = value;
  }
}
CU_EXPORT(reduce_columns);

// Puts the parts of each row together, a warp for each.
extern "C" __global__ void __launch_bounds__(256)
    reduce_parts(int kind, const double* partial, long long rows, int parts, long long columns, float* out) {
  long long row = (long long)blockIdx.x * 8 + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  double value = first_value(kind);
  if (row < rows) {
    for (int part = lane; part < parts; part += 32) value = combine(kind, value, partial[row * parts + part]);
  }
  value = combine_warp(kind, value);
  if (lane == 0 && row < rows) out[row] = finished(kind, value, columns);
}
CU_EXPORT(reduce_parts);

struct Candidate {
  float value;
  long long index;
};

// Larger values first, NaN last; what compares equal goes by the lower index.
DV bool comes_before(const Candidate& a, const Candidate& b) {
  if (a.value > b.value) return true;
  if (b.value > a.value) return false;
  bool a_is_number = a.value == a.value;
  bool b_is_number = b.value == b.value;
  if (a_is_number != b_is_number) return a_is_number;
  return a.index < b.index;
}

DV Candidate best_of_warp(Candidate best) {
  for (int offset = 16; offset > 0; offset >>= 1) {
    Candidate other;
    other.value = __shfl_xor_sync(all_lanes, best.value, offset);
    other.index = __shfl_xor_sync(all_lanes, best.index, offset);
    if (comes_before(other, best)) best = other;
  }
  return best;
}

// Index of the largest of each row, a block for each.
extern "C" __global__ void __launch_bounds__(256)
    reduce_argmax(const float* x, long long columns, long long row_stride, long long column_stride, long long* out) {
  __shared__ Candidate of_warp[8];
  const float* row = x + blockIdx.x * row_stride;
  Candidate best = {NAN, 0x7fffffffffffffffLL};
  for (long long j = threadIdx.x; j < columns; j += 256) {
    Candidate other = {row[j * column_stride], j};
    if (comes_before(other, best)) best = other;
  }
  best = best_of_warp(best);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < 8; warp++) {
    if (comes_before(of_warp[warp], best)) best = of_warp[warp];
  }
  out[blockIdx.x] = best.index;
}
CU_EXPORT(reduce_argmax);

}  // namespace reduce
