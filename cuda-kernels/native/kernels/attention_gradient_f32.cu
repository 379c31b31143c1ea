// Gradients of attention in f32, from the output and the log-sum of each row's scores. With P the weights,
// dP = dO V^T and delta = rowsum(dO * O): dS = P * (dP - delta) * scale, dQ = dS K, dK = dS^T Q, dV = P^T dO
// (Dao et al., 2022, algorithm 4). One kernel owns queries and goes over the keys, another owns keys and goes
// over the queries of all heads that read them, in their order: each computes the weights anew, and nothing is
// added by two blocks.
#include "attention.cuh"

namespace attention {

// Threads as in the forward pass.
template <int D, int R, int C>
struct QueryShared {
  float q[R][D + 4];
  float grad[R][D + 4];
  float k[C][D + 4];
  float v[C][D + 4];
  float ds[R][C + 4];
};

template <int D, int R, int C>
DV void gradient_q_f32(
    const float* q, const float* k, const float* v, const long long* lengths, const float* lse, const float* delta,
    const float* grad, float* dq, const Call& c, float scale) {
  constexpr int I = R / 16, J = C / 16, DD = D / 16;
  auto& s = smem<QueryShared<D, R, C>>();
  int x = threadIdx.x & 15;
  int y = threadIdx.x >> 4;
  Rows rows = rows_of(c, blockIdx.x, R);
  int real = real_keys(c, lengths, rows.b);
  int to = rows.most(c, real, R);
  int all_see = rows.fewest(c, real, R);

  load<D>(s.q, q, c, [&](int i) {
    return rows.exists(i) ? at(q, c.q, rows.b, rows.query(i), rows.head(i)) : nullptr;
  });
  load<D>(s.grad, grad, c, [&](int i) {
    return rows.exists(i) ? at(grad, c.grad, rows.b, rows.query(i), rows.head(i)) : nullptr;
  });
  auto load_keys = [&](float (&tile)[C][D + 4], const float* data, const View& view, int first) {
    if (first < to) {
      load<D>(tile, data, c, [&](int i) {
        return first + i < to ? at(data, view, rows.b, first + i, rows.g) : nullptr;
      });
    }
    cp_commit();
  };
  load_keys(s.k, k, c.k, 0);
  load_keys(s.v, v, c.v, 0);

  int seen[I];
  float logs[I], means[I], sums[I][DD];
#pragma unroll
  for (int i = 0; i < I; i++) {
    int r = y * I + i;
    bool exists = rows.exists(r);
    logs[i] = exists ? lse[rows.place(c, r)] : -INFINITY;
    means[i] = exists ? delta[rows.place(c, r)] : 0.f;
    seen[i] = logs[i] == -INFINITY ? 0 : visible(c, real, rows.query(r));
#pragma unroll
    for (int d = 0; d < DD; d++) sums[i][d] = 0.f;
  }
  for (int first = 0; first < to; first += C) {
    cp_wait<0>();
    __syncthreads();  // keys and values are there
    float scores[I][J], dp[I][J];
    products<D>(scores, s.q, y * I, s.k, x);
    products<D>(dp, s.grad, y * I, s.v, x);
#pragma unroll
    for (int i = 0; i < I; i++)
#pragma unroll
      for (int j = 0; j < J; j++) {
        bool sees = first + x + 16 * j < seen[i];
        float p = sees ? expf(scale * scores[i][j] - logs[i]) : 0.f;
        s.ds[y * I + i][x + 16 * j] = sees ? p * (dp[i][j] - means[i]) * scale : 0.f;
      }
    __syncthreads();  // dS is there; nobody reads these values any more
    load_keys(s.v, v, c.v, first + C);
    if (first + C <= all_see) {
      weighted<C>(sums, s.ds, y * I, s.k, x);
    } else {
      weighted_seen<C>(sums, s.ds, y * I, s.k, x);
    }
    __syncthreads();  // nobody reads keys and dS any more
    load_keys(s.k, k, c.k, first + C);
  }
  cp_wait<0>();
#pragma unroll
  for (int i = 0; i < I; i++) {
    int r = y * I + i;
    if (!rows.exists(r)) continue;
    float* target = at(dq, c.dq, rows.b, rows.query(r), rows.head(r));
#pragma unroll
    for (int d = 0; d < DD; d++)
      if (x + 16 * d < c.depth) target[x + 16 * d] = sums[i][d];
  }
}

// A block has R keys; thread (x, y) computes keys y * R / 16 + i, of the scores those with queries x + 16 j.
template <int D, int R, int C>
struct KeyShared {
  float k[R][D + 4];
  float v[R][D + 4];
  float q[C][D + 4];
  float grad[C][D + 4];
  float p[R][C + 4];
  float ds[R][C + 4];
  float lse[C];
  float delta[C];
  int seen[C];
};

template <int D, int R, int C>
DV void gradient_kv_f32(
    const float* q, const float* k, const float* v, const long long* lengths, const float* lse, const float* delta,
    const float* grad, float* dk, float* dv, const Call& c, float scale) {
  constexpr int I = R / 16, J = C / 16, DD = D / 16;
  auto& s = smem<KeyShared<D, R, C>>();
  int x = threadIdx.x & 15;
  int y = threadIdx.x >> 4;
  int keys = c.keys;
  int queries = c.queries;
  int tiles = (keys + R - 1) / R;
  int key = int(blockIdx.x) % tiles * R;
  int g = int(blockIdx.x) / tiles % c.groups;
  int b = int(blockIdx.x) / tiles / c.groups;
  int group = c.heads / c.groups;
  int real = real_keys(c, lengths, b);
  // The first query that sees the first of these keys; none does if that is hidden by its length.
  int start = key >= real ? queries : c.causal ? max(0, key - (keys - queries)) : 0;

  auto load_queries = [&](int h, int first) {
    int head = g * group + h;
    load<D>(s.q, q, c, [&](int i) { return first + i < queries ? at(q, c.q, b, first + i, head) : nullptr; });
    load<D>(s.grad, grad, c, [&](int i) {
      return first + i < queries ? at(grad, c.grad, b, first + i, head) : nullptr;
    });
    cp_commit();
    for (int i = threadIdx.x; i < C; i += blockDim.x) {
      bool exists = first + i < queries;
      long long place = (long long)(b * c.heads + head) * queries + first + i;
      s.lse[i] = exists ? lse[place] : -INFINITY;
      s.delta[i] = exists ? delta[place] : 0.f;
      s.seen[i] = s.lse[i] == -INFINITY ? 0 : visible(c, real, first + i);
    }
  };
  if (start < queries) {
    load<D>(s.k, k, c, [&](int i) { return key + i < real ? at(k, c.k, b, key + i, g) : nullptr; });
    load<D>(s.v, v, c, [&](int i) { return key + i < real ? at(v, c.v, b, key + i, g) : nullptr; });
    load_queries(0, start);
  }
  float sums_k[I][DD], sums_v[I][DD];
#pragma unroll
  for (int i = 0; i < I; i++)
#pragma unroll
    for (int d = 0; d < DD; d++) sums_k[i][d] = sums_v[i][d] = 0.f;

  for (int h = 0; h < group; h++) {
    for (int first = start; first < queries; first += C) {
      cp_wait<0>();
      __syncthreads();  // everything is there
      float scores[I][J], dp[I][J];
      products<D>(scores, s.k, y * I, s.q, x);
      products<D>(dp, s.v, y * I, s.grad, x);
      int all_seen = 1;
#pragma unroll
      for (int j = 0; j < J; j++) {
        int n = x + 16 * j;
        all_seen &= s.seen[n] >= key + R;
#pragma unroll
        for (int i = 0; i < I; i++) {
          bool sees = key + y * I + i < s.seen[n];
          float p = sees ? expf(scale * scores[i][j] - s.lse[n]) : 0.f;
          s.p[y * I + i][n] = p;
          s.ds[y * I + i][n] = sees ? p * (dp[i][j] - s.delta[n]) * scale : 0.f;
        }
      }
      all_seen = __all_sync(0xffffffffu, all_seen);
      __syncthreads();  // P and dS are there
      if (all_seen) {
        weighted<C>(sums_v, s.p, y * I, s.grad, x);
        weighted<C>(sums_k, s.ds, y * I, s.q, x);
      } else {
        weighted_seen<C>(sums_v, s.p, y * I, s.grad, x);
        weighted_seen<C>(sums_k, s.ds, y * I, s.q, x);
      }
      __syncthreads();  // nobody reads these queries any more
      if (first + C < queries) {
        load_queries(h, first + C);
      } else if (h + 1 < group) {
        load_queries(h + 1, start);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < I; i++) {
    int n = key + y * I + i;
    if (n >= keys) continue;
    float* target_k = at(dk, c.dk, b, n, g);
    float* target_v = at(dv, c.dv, b, n, g);
#pragma unroll
    for (int d = 0; d < DD; d++) {
      if (x + 16 * d >= c.depth) continue;
      target_k[x + 16 * d] = sums_k[i][d];
      target_v[x + 16 * d] = sums_v[i][d];
    }
  }
}

}  // namespace attention

// delta [B, H, T] = sum of grad * out over the depth: one warp a row.
extern "C" __global__ void __launch_bounds__(128, 4) attention_delta(
    const float* __restrict__ out, const float* __restrict__ grad, float* __restrict__ delta, attention::Call c) {
  int row = int(blockIdx.x * 4 + threadIdx.x / 32);
  int lane = threadIdx.x & 31;
  if (row >= c.batch * c.heads * c.queries) return;
  int head = row / c.queries;
  const float* x = attention::at(out, c.out, head / c.heads, row % c.queries, head % c.heads);
  const float* y = attention::at(grad, c.grad, head / c.heads, row % c.queries, head % c.heads);
  float sum = 0.f;
  for (int d = lane; d < c.depth; d += 32) sum += x[d] * y[d];
#pragma unroll
  for (int m = 16; m > 0; m /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, m);
  if (lane == 0) delta[row] = sum;
}
CU_EXPORT(attention_delta);

#define ATTENTION_GRADIENT_F32(D, R, C)                                                                            \
  extern "C" __global__ void __launch_bounds__(256, 2) attention_gradient_q_f32_##D(                                  \
      const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,                       \
      const long long* __restrict__ lengths, const float* __restrict__ lse, const float* __restrict__ delta,       \
      const float* __restrict__ grad, float* __restrict__ dq, attention::Call c, float scale) {                    \
    attention::gradient_q_f32<D, R, C>(q, k, v, lengths, lse, delta, grad, dq, c, scale);                          \
  }                                                                                                                \
  CU_EXPORT(attention_gradient_q_f32_##D);                                                                         \
  extern "C" __global__ void __launch_bounds__(256, 2) attention_gradient_kv_f32_##D(                                 \
      const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,                       \
      const long long* __restrict__ lengths, const float* __restrict__ lse, const float* __restrict__ delta,       \
      const float* __restrict__ grad, float* __restrict__ dk, float* __restrict__ dv, attention::Call c,           \
      float scale) {                                                                                               \
    attention::gradient_kv_f32<D, R, C>(q, k, v, lengths, lse, delta, grad, dk, dv, c, scale);                     \
  }                                                                                                                \
  CU_EXPORT(attention_gradient_kv_f32_##D)

ATTENTION_GRADIENT_F32(64, 64, 32);
ATTENTION_GRADIENT_F32(80, 64, 32);
ATTENTION_GRADIENT_F32(128, 32, 32);
