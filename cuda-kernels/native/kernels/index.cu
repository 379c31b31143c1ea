// Gathering and scattering of rows and columns, and the stable sort that scattering in order needs.
#include "dev.cuh"

namespace indexing {

using namespace dv;

template <class Unit>
DV void gather(const void* table, const long long* ids, void* out, long long count, long long units) {
#pragma unroll
  for (int j = 0; j < 4; j++) {
    long long i = (long long)blockIdx.x * 1024 + j * 256 + threadIdx.x;
    if (i >= count) return;
    long long row = i / units;
    static_cast<Unit*>(out)[i] = static_cast<const Unit*>(table)[ids[row] * units + (i - row * units)];
  }
}

// Rows of so many units of so many bytes each; count: units of all rows together.
extern "C" __global__ void __launch_bounds__(256)
    index_gather_rows(int bytes, const void* table, const long long* ids, void* out, long long count, long long units) {
  switch (bytes) {
    case 1:
      return gather<unsigned char>(table, ids, out, count, units);
    case 2:
      return gather<unsigned short>(table, ids, out, count, units);
    case 4:
      return gather<unsigned>(table, ids, out, count, units);
    case 8:
      return gather<unsigned long long>(table, ids, out, count, units);
    default:
      return gather<uint4>(table, ids, out, count, units);
  }
}
CU_EXPORT(index_gather_rows);

// out[n, j] = x[n, ids[n, j]]
extern "C" __global__ void __launch_bounds__(256)
    index_gather_columns(const float* x, const long long* ids, float* out, long long count, long long k,
                         long long columns) {
  long long i = global_index();
  if (i < count) out[i] = x[i / k * columns + ids[i]];
}
CU_EXPORT(index_gather_columns);

// out[n, ids[n, j]] += x[n, j] in ascending j: the first of equal ids adds for all of them.
extern "C" __global__ void __launch_bounds__(256)
    index_scatter_columns(const float* x, const long long* ids, float* out, long long count, long long k,
                          long long columns) {
  long long i = global_index();
  if (i >= count) return;
  long long row = i / k;
  long long id = ids[i];
  for (long long j = row * k; j < i; j++) {
    if (ids[j] == id) return;
  }
  float sum = out[row * columns + id] + x[i];
  for (long long j = i + 1; j < row * k + k; j++) {
    if (ids[j] == id) sum += x[j];
  }
  out[row * columns + id] = sum;
}
CU_EXPORT(index_scatter_columns);

// keys[i] = i / k * columns + ids[i], places[i] = i: the element of a flat output, to be sorted by. With one
// column and k of the whole count, the ids themselves.
extern "C" __global__ void __launch_bounds__(256)
    index_keys(const long long* ids, unsigned long long* keys, long long* places, long long count, long long k,
               long long columns) {
  long long i = global_index();
  if (i >= count) return;
  keys[i] = (unsigned long long)(i / k * columns + ids[i]);
  places[i] = i;
}
CU_EXPORT(index_keys);

// out[key, :] += x[place, :] for the sorted pairs: who has the first of equal keys adds all, in their order.
// A block has 8 pairs and 32 columns.
extern "C" __global__ void __launch_bounds__(256)
    index_add_sorted(const float* x, const unsigned long long* keys, const long long* places, float* out,
                     long long count, long long columns) {
  long long i = (long long)blockIdx.x * 8 + threadIdx.y;
  if (i >= count) return;
  unsigned long long key = keys[i];
  if (i > 0 && keys[i - 1] == key) return;
  for (long long d = (long long)blockIdx.y * 32 + threadIdx.x; d < columns; d += (long long)gridDim.y * 32) {
    float sum = out[(long long)key * columns + d];
    for (long long j = i; j < count && keys[j] == key; j++) sum += x[places[j] * columns + d];
    out[(long long)key * columns + d] = sum;
  }
}
CU_EXPORT(index_add_sorted);

// ---- stable sort of pairs by eight bits of their keys -------------------------------------------------
// The way of Satish, Harris and Garland, "Designing efficient sorting algorithms for manycore GPUs" (2009):
// each block counts its digits, counts are summed in the order of (digit, block), and each block puts its
// pairs there. Ranks in a block follow from the pairs' order alone. A block of 256 threads has 1024 pairs,
// a warp 128 of them, one after the other.

constexpr int sort_pairs = 1024;

// counts[digit * blocks + block]
extern "C" __global__ void __launch_bounds__(256)
    index_sort_count(const unsigned long long* keys, long long count, int shift, long long* counts) {
  __shared__ unsigned digits[256];
  digits[threadIdx.x] = 0;
  __syncthreads();
  for (int j = 0; j < sort_pairs / 256; j++) {
    long long i = (long long)blockIdx.x * sort_pairs + j * 256 + threadIdx.x;
    if (i < count) atomicAdd(&digits[(keys[i] >> shift) & 255], 1u);
  }
  __syncthreads();
  counts[(long long)threadIdx.x * gridDim.x + blockIdx.x] = digits[threadIdx.x];
}
CU_EXPORT(index_sort_count);

// Replaces each of the counts by the sum of those before it: one block, a run of counts for each thread.
extern "C" __global__ void __launch_bounds__(256) index_sort_sum(long long* counts, long long size) {
  __shared__ long long of_thread[256];
  long long run = (size + 255) / 256;
  long long from = threadIdx.x * run < size ? threadIdx.x * run : size;
  long long to = from + run < size ? from + run : size;
  long long sum = 0;
  for (long long i = from; i < to; i++) sum += counts[i];
  of_thread[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int other = 0; other < int(threadIdx.x); other++) sum += of_thread[other];
  for (long long i = from; i < to; i++) {
    long long here = counts[i];
    counts[i] = sum;
    sum += here;
  }
}
CU_EXPORT(index_sort_sum);

extern "C" __global__ void __launch_bounds__(256)
    index_sort_place(const unsigned long long* keys, const long long* values, long long count, int shift,
                     const long long* starts, unsigned long long* keys_out, long long* values_out) {
  __shared__ unsigned seen[8][256];
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  for (int w = 0; w < 8; w++) seen[w][threadIdx.x] = 0;
  __syncthreads();
  unsigned long long key[4];
  unsigned digit[4];
  unsigned rank[4];
  // Ranks among the equal digits of the warp; 256 stands for no pair.
#pragma unroll
  for (int j = 0; j < 4; j++) {
    long long i = (long long)blockIdx.x * sort_pairs + warp * 128 + j * 32 + lane;
    key[j] = i < count ? keys[i] : 0;
    digit[j] = i < count ? unsigned(key[j] >> shift) & 255 : 256;
    unsigned peers = __match_any_sync(all_lanes, digit[j]);
    unsigned before = __popc(peers & ((1u << lane) - 1));
    rank[j] = digit[j] < 256 ? seen[warp][digit[j]] + before : 0;
    __syncwarp();
    if (digit[j] < 256 && before == 0) seen[warp][digit[j]] += __popc(peers);
    __syncwarp();
  }
  __syncthreads();
  // seen becomes where each warp's pairs of a digit begin.
  unsigned begin = 0;
  for (int w = 0; w < 8; w++) {
    unsigned here = seen[w][threadIdx.x];
    seen[w][threadIdx.x] = begin;
    begin += here;
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (digit[j] == 256) continue;
    long long i = (long long)blockIdx.x * sort_pairs + warp * 128 + j * 32 + lane;
    long long to = starts[(long long)digit[j] * gridDim.x + blockIdx.x] + seen[warp][digit[j]] + rank[j];
    keys_out[to] = key[j];
    values_out[to] = values[i];
  }
}
CU_EXPORT(index_sort_place);

}  // namespace indexing
