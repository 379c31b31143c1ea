// Attention by its definition, the first version: a warp takes one row, once to find the largest score and once
// more to weigh the values, with its sums in global memory. Nothing is shared between rows, every key is read
// twice for each query. Any depth, so what the other versions have no room for runs here.
#include "attention.cuh"

namespace attention {

// a . b in a warp; every lane has the sum.
DV float warp_dot(const float* a, const float* b, int depth) {
  float sum = 0.f;
#pragma unroll 1
  for (int d = threadIdx.x & 31; d < depth; d += 32) sum += a[d] * b[d];
#pragma unroll
  for (int m = 16; m > 0; m /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, m);
  return sum;
}

// The row of this warp in [B, H, T].
struct Row {
  int index, b, h, t, g;
};
DV Row row_of(const Call& c) {
  int index = int(blockIdx.x * 4 + threadIdx.x / 32);
  int head = index / c.queries;
  return {index, head / c.heads, head % c.heads, index % c.queries, head % c.heads / (c.heads / c.groups)};
}

}  // namespace attention

extern "C" __global__ void __launch_bounds__(128, 4) attention_naive(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const long long* __restrict__ lengths, float* __restrict__ out, float* __restrict__ lse, attention::Call c,
    float scale) {
  using namespace attention;
  Row row = row_of(c);
  if (row.index >= c.batch * c.heads * c.queries) return;
  int depth = c.depth;
  int lane = threadIdx.x & 31;
  int seen = visible(c, real_keys(c, lengths, row.b), row.t);
  const float* query = at(q, c.q, row.b, row.t, row.h);
  float* target = at(out, c.out, row.b, row.t, row.h);
  float largest = -INFINITY;
  for (int s = 0; s < seen; s++) {
    largest = fmaxf(largest, scale * warp_dot(query, at(k, c.k, row.b, s, row.g), depth));
  }
  float total = 0.f;
#pragma unroll 1
  for (int d = lane; d < depth; d += 32) target[d] = 0.f;
  for (int s = 0; s < seen; s++) {
    float p = weight(scale * warp_dot(query, at(k, c.k, row.b, s, row.g), depth), largest);
    total += p;
    const float* value = at(v, c.v, row.b, s, row.g);
#pragma unroll 1
    for (int d = lane; d < depth; d += 32) target[d] += p * value[d];
  }
#pragma unroll 1
  for (int d = lane; d < depth; d += 32) target[d] = total == 0.f ? 0.f : target[d] / total;
  if (lane == 0) lse[row.index] = total == 0.f ? -INFINITY : largest + logf(total);
}
CU_EXPORT(attention_naive);

// delta as attention_delta makes it.
extern "C" __global__ void __launch_bounds__(128, 4) attention_naive_gradient_q(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const long long* __restrict__ lengths, const float* __restrict__ lse, const float* __restrict__ delta,
    const float* __restrict__ grad, float* __restrict__ dq, attention::Call c, float scale) {
  using namespace attention;
  Row row = row_of(c);
  if (row.index >= c.batch * c.heads * c.queries) return;
  int depth = c.depth;
  int lane = threadIdx.x & 31;
  float log = lse[row.index];
  int seen = log == -INFINITY ? 0 : visible(c, real_keys(c, lengths, row.b), row.t);
  const float* query = at(q, c.q, row.b, row.t, row.h);
  const float* given = at(grad, c.grad, row.b, row.t, row.h);
  float* target = at(dq, c.dq, row.b, row.t, row.h);
#pragma unroll 1
  for (int d = lane; d < depth; d += 32) target[d] = 0.f;
  for (int s = 0; s < seen; s++) {
    const float* key = at(k, c.k, row.b, s, row.g);
    float p = expf(scale * warp_dot(query, key, depth) - log);
    float ds = p * (warp_dot(given, at(v, c.v, row.b, s, row.g), depth) - delta[row.index]) * scale;
#pragma unroll 1
    for (int d = lane; d < depth; d += 32) target[d] += ds * key[d];
  }
}
CU_EXPORT(attention_naive_gradient_q);

// One warp a key of a key-value head.
extern "C" __global__ void __launch_bounds__(128, 4) attention_naive_gradient_kv(
    const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,
    const long long* __restrict__ lengths, const float* __restrict__ lse, const float* __restrict__ delta,
    const float* __restrict__ grad, float* __restrict__ dk, float* __restrict__ dv, attention::Call c, float scale) {
  using namespace attention;
  int index = int(blockIdx.x * 4 + threadIdx.x / 32);
  if (index >= c.batch * c.groups * c.keys) return;
  int depth = c.depth;
  int lane = threadIdx.x & 31;
  int s = index % c.keys;
  int g = index / c.keys % c.groups;
  int b = index / c.keys / c.groups;
  int group = c.heads / c.groups;
  int real = real_keys(c, lengths, b);
  const float* key = at(k, c.k, b, s, g);
  const float* value = at(v, c.v, b, s, g);
  float* target_k = at(dk, c.dk, b, s, g);
  float* target_v = at(dv, c.dv, b, s, g);
#pragma unroll 1
  for (int d = lane; d < depth; d += 32) target_k[d] = target_v[d] = 0.f;
  for (int h = g * group; h < g * group + group; h++) {
    for (int t = 0; t < c.queries; t++) {
      long long row = (long long)(b * c.heads + h) * c.queries + t;
      float log = lse[row];
      if (s >= visible(c, real, t) || log == -INFINITY) continue;
      const float* query = at(q, c.q, b, t, h);
      const float* given = at(grad, c.grad, b, t, h);
      float p = expf(scale * warp_dot(query, key, depth) - log);
      float ds = p * (warp_dot(given, value, depth) - delta[row]) * scale;
#pragma unroll 1
      for (int d = lane; d < depth; d += 32) {
        target_k[d] += ds * query[d];
        target_v[d] += p * given[d];
      }
    }
  }
}
CU_EXPORT(attention_naive_gradient_kv);
