// What the attention kernels share: the call as Java passes it, its rows, and tiles in shared memory.
//
// Rows. The queries of the H / G heads that read one key-value head are taken together: row r of key-value head
// g is query r % T of head g * (H / G) + r / T. So each key is loaded once for all of them, and the rows of all
// key-value heads lie one behind the other in arrays [B, H, T].
#pragma once
#include "dev.cuh"

namespace attention {

using namespace dv;

// Strides of a tensor [batch, position, head, depth] in elements; the depth's is 1.
struct View {
  long long batch, position, head;
};

// Field by field what CudaAttention writes.
struct Call {
  int batch, queries, keys, heads, groups, depth;
  int causal;  // whether query t sees nothing behind key S - T + t
  int vector;  // whether 16 bytes at a time can be read of each row of q, k, v, and of grad
  View q, k, v, out, grad, dq, dk, dv;
};

constexpr float LOG2E = 1.44269504088896f;
constexpr float LN2 = 0.693147180559945f;

DV const float* at(const float* x, const View& v, int b, int t, int h) {
  return x + b * v.batch + t * v.position + h * v.head;
}
DV float* at(float* x, const View& v, int b, int t, int h) {
  return x + b * v.batch + t * v.position + h * v.head;
}

// Number of keys of sequence b that are not hidden by its length.
DV int real_keys(const Call& c, const long long* lengths, int b) {
  long long n = c.keys;
  if (lengths && lengths[b] < n) n = lengths[b];
  return n < 0 ? 0 : int(n);
}

// How many of the first `real` keys query t sees.
DV int visible(const Call& c, int real, int t) {
  int n = real;
  if (c.causal) n = min(n, c.keys - c.queries + t + 1);
  return max(n, 0);
}

// Some rows of one key-value head.
struct Rows {
  int b, g;
  int first;  // row
  int count;  // rows of the key-value head in all
  int queries, group;

  DV bool exists(int i) const { return first + i < count; }
  DV int query(int i) const { return (first + i) % queries; }
  DV int head(int i) const { return g * group + (first + i) / queries; }
  // Place in an array [B, H, T].
  DV long long place(const Call& c, int i) const { return (long long)(b * c.groups + g) * count + first + i; }

  // The most and the fewest keys that one of `n` rows sees.
  DV int most(const Call& c, int real, int n) const {
    int last = min(first + n, count) - 1;
    return visible(c, real, first / queries == last / queries ? last % queries : queries - 1);
  }
  DV int fewest(const Call& c, int real, int n) const {
    int last = min(first + n, count) - 1;
    return visible(c, real, first / queries == last / queries ? first % queries : 0);
  }
};

// The rows of block `id` of those that take `n` each: last rows first, since under a causal mask they have the
// most to do.
DV Rows rows_of(const Call& c, int id, int n) {
  int group = c.heads / c.groups;
  int count = group * c.queries;
  int tiles = (count + n - 1) / n;
  int head = id / tiles;
  int tile = tiles - 1 - id % tiles;
  return {head / c.groups, head % c.groups, tile * n, count, c.queries, group};
}

// Rows of shared memory are filled from global memory, `row(i)` giving where each begins or null for zeros, and
// filled up to D with zeros. Aligned rows come by asynchronous copies, of which the caller makes a group.
template <int D, int ROWS, int STRIDE, class Row>
DV void load(float (&to)[ROWS][STRIDE], const float* any, const Call& c, Row row) {
  if (c.vector) {
#pragma unroll 1
    for (int i = threadIdx.x; i < ROWS * (D / 4); i += blockDim.x) {
      int d = i % (D / 4) * 4;
      const float* from = row(i / (D / 4));
      bool valid = from && d < c.depth;
      cp_async16(&to[i / (D / 4)][d], valid ? from + d : any, valid);
    }
  } else {
#pragma unroll 1
    for (int i = threadIdx.x; i < ROWS * D; i += blockDim.x) {
      const float* from = row(i / D);
      to[i / D][i % D] = from && i % D < c.depth ? from[i % D] : 0.f;
    }
  }
}

// sums[i][j] = a[row + i] . b[column + 16 j], of D elements each
template <int D, int I, int J, int STRIDE>
DV void products(float (&sums)[I][J], const float (*a)[STRIDE], int row, const float (*b)[STRIDE], int column) {
#pragma unroll
  for (int i = 0; i < I; i++)
#pragma unroll
    for (int j = 0; j < J; j++) sums[i][j] = 0.f;
#pragma unroll 2
  for (int d = 0; d < D; d += 4) {
    float4 x[I], y[J];
#pragma unroll
    for (int i = 0; i < I; i++) x[i] = *reinterpret_cast<const float4*>(&a[row + i][d]);
#pragma unroll
    for (int j = 0; j < J; j++) y[j] = *reinterpret_cast<const float4*>(&b[column + 16 * j][d]);
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j++) {
        sums[i][j] += x[i].x * y[j].x;
        sums[i][j] += x[i].y * y[j].y;
        sums[i][j] += x[i].z * y[j].z;
        sums[i][j] += x[i].w * y[j].w;
      }
  }
}

// sums[i][d] += sum over n of weights[row + i][n] * values[n][column + 16 d]
template <int N, int I, int DD, int W, int STRIDE>
DV void weighted(float (&sums)[I][DD], const float (*weights)[W], int row, const float (*values)[STRIDE], int column) {
#pragma unroll 1
  for (int n = 0; n < N; n += 4) {
    float w[I][4];
#pragma unroll
    for (int i = 0; i < I; i++) {
      float4 four = *reinterpret_cast<const float4*>(&weights[row + i][n]);
      w[i][0] = four.x;
      w[i][1] = four.y;
      w[i][2] = four.z;
      w[i][3] = four.w;
    }
#pragma unroll
    for (int m = 0; m < 4; m++)
#pragma unroll
      for (int d = 0; d < DD; d++) {
        float x = values[n + m][column + 16 * d];
#pragma unroll
        for (int i = 0; i < I; i++) sums[i][d] += w[i][m] * x;
      }
  }
}

// The same sums in the same order, without the values whose weight is 0: what is hidden may be infinite or no
// number. For the few tiles in which something is hidden.
template <int N, int I, int DD, int W, int STRIDE>
DV void weighted_seen(
    float (&sums)[I][DD], const float (*weights)[W], int row, const float (*values)[STRIDE], int column) {
#pragma unroll 1
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int i = 0; i < I; i++) {
      float w = weights[row + i][n];
      if (w == 0.f) continue;
#pragma unroll
      for (int d = 0; d < DD; d++) sums[i][d] += w * values[n][column + 16 * d];
    }
  }
}

// Sum, or largest, of the sixteen neighbours that share a row.
DV float row_sum(float x) {
#pragma unroll
  for (int m = 1; m < 16; m *= 2) x += __shfl_xor_sync(0xffffffffu, x, m);
  return x;
}
DV float row_max(float x) {
#pragma unroll
  for (int m = 1; m < 16; m *= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, m));
  return x;
}

// What sums relative to `old` are multiplied by to be relative to `now`; neither is NaN.
DV float rescale(float old, float now) { return old == now ? 1.f : expf(old - now); }

// Weight of a score relative to the largest of its row. What is hidden has the score -inf.
DV float weight(float score, float largest) { return score == -INFINITY ? 0.f : expf(score - largest); }

}  // namespace attention
