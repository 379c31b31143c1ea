// Parts of attention, each to some of the keys, put together: one warp a row.
#include "attention.cuh"

// All parts of each row, in their order. `part` is [B, H, T, parts, D + 2], each
// with the largest score, the sum of the weights relative to it, and the weighted sum of the values.
extern "C" __global__ void __launch_bounds__(128, 4) attention_merge(
    const float* __restrict__ part, float* __restrict__ out, float* __restrict__ lse, attention::Call c, int parts) {
  int row = int(blockIdx.x * 4 + threadIdx.x / 32);
  int lane = threadIdx.x & 31;
  if (row >= c.batch * c.heads * c.queries) return;
  int depth = c.depth;
  const float* from = part + (long long)row * parts * (depth + 2);
  float largest = -INFINITY;
  for (int i = 0; i < parts; i++) largest = fmaxf(largest, from[(long long)i * (depth + 2)]);
  float total = 0.f;
  for (int i = 0; i < parts; i++) {
    const float* one = from + (long long)i * (depth + 2);
    total += one[1] * attention::rescale(one[0], largest);
  }
  int head = row / c.queries;
  float* target = attention::at(out, c.out, head / c.heads, row % c.queries, head % c.heads);
  for (int d = lane; d < depth; d += 32) {
    float sum = 0.f;
    for (int i = 0; i < parts; i++) {
      const float* one = from + (long long)i * (depth + 2);
      sum += one[2 + d] * attention::rescale(one[0], largest);
    }
    target[d] = total == 0.f ? 0.f : sum / total;
  }
  if (lane == 0) lse[row] = total == 0.f ? -INFINITY : largest + logf(total);
}
CU_EXPORT(attention_merge);

// Two parts whose log-sums are known: weights e^(lse - max) in float64. The first becomes the result. Views are of
// [B, T, H, D]; those of log-sums have strides where the depth's would be 1.
extern "C" __global__ void __launch_bounds__(128, 4) attention_join(
    float* __restrict__ out, float* __restrict__ lse, const float* __restrict__ other,
    const float* __restrict__ other_lse, attention::View out_view, attention::View lse_view,
    attention::View other_view, attention::View other_lse_view, int batch, int queries, int heads, int depth) {
  int row = int(blockIdx.x * 4 + threadIdx.x / 32);
  int lane = threadIdx.x & 31;
  if (row >= batch * heads * queries) return;
  int t = row % queries;
  int h = row / queries % heads;
  int b = row / queries / heads;
  float* sum = attention::at(lse, lse_view, b, t, h);
  double one = *sum;
  double two = *attention::at(other_lse, other_lse_view, b, t, h);
  double largest = fmax(one, two);
  if (one == -INFINITY && two == -INFINITY) return;
  double first = exp(one - largest);
  double second = exp(two - largest);
  float weight = float(first / (first + second));
  float other_weight = float(second / (first + second));
  float* target = attention::at(out, out_view, b, t, h);
  const float* from = attention::at(other, other_view, b, t, h);
  for (int d = lane; d < depth; d += 32) target[d] = fmaf(weight, target[d], other_weight * from[d]);
  __syncwarp();  // everyone has read the log-sum
  if (lane == 0) *sum = float(largest + log(first + second));
}
CU_EXPORT(attention_join);
