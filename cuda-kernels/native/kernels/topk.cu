// The k largest of each row, in one total order: larger first, NaN last, what compares equal by the lower index.
#include "dev.cuh"

namespace topk {

using namespace dv;

// A number that is smaller the earlier a value comes: zeros of both signs are one, and all NaN.
DV unsigned order_of(float value) {
  if (value != value) return 0xffffffffu;
  if (value == 0) value = 0;
  unsigned bits = __float_as_uint(value);
  unsigned ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

DV unsigned long long least_of_warp(unsigned long long value) {
  for (int offset = 16; offset > 0; offset >>= 1) {
    unsigned long long other = __shfl_xor_sync(all_lanes, value, offset);
    if (other < value) value = other;
  }
  return value;
}

// For few: k times the next one of the row, a warp for each row. Columns are fewer than 2^32.
extern "C" __global__ void __launch_bounds__(128)
    topk_few(const float* x, long long rows, long long columns, int k, float* values, long long* indices) {
  long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
  if (row >= rows) return;
  int lane = threadIdx.x % 32;
  const float* source = x + row * columns;
  // Order and index in one number; what comes next is the least above the last.
  unsigned long long last = 0;
  for (int j = 0; j < k; j++) {
    unsigned long long best = ~0ull;
    for (long long c = lane; c < columns; c += 32) {
      unsigned long long here = (unsigned long long)order_of(source[c]) << 32 | (unsigned long long)c;
      if (here < best && (j == 0 || here > last)) best = here;
    }
    last = least_of_warp(best);
    if (lane == 0) {
      long long index = (long long)(last & 0xffffffffu);
      values[row * k + j] = source[index];
      indices[row * k + j] = index;
    }
  }
}
CU_EXPORT(topk_few);

// Pairs to sort for many: the row and the order of the value, and the place in x.
extern "C" __global__ void __launch_bounds__(256)
    topk_keys(const float* x, unsigned long long* keys, long long* places, long long count, long long columns) {
  long long i = global_index();
  if (i >= count) return;
  keys[i] = (unsigned long long)(i / columns) << 32 | order_of(x[i]);
  places[i] = i;
}
CU_EXPORT(topk_keys);

// The first k of each row of the sorted pairs.
extern "C" __global__ void __launch_bounds__(256)
    topk_take(const float* x, const long long* places, long long rows, long long columns, long long k, float* values,
              long long* indices) {
  long long i = global_index();
  if (i >= rows * k) return;
  long long row = i / k;
  long long place = places[row * columns + (i - row * k)];
  values[i] = x[place];
  indices[i] = place - row * columns;
}
CU_EXPORT(topk_take);

}  // namespace topk
