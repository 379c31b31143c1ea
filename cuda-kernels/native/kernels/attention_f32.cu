// Flash attention in f32 (Dao et al., "FlashAttention", 2022): a block of 256 threads holds R rows, takes the
// keys C at a time through shared memory and keeps, row by row, the largest score so far, the sum of the weights
// and the weighted sum of the values, so that no score ever goes to global memory.
//
// Thread (x, y) of 16 x 16 computes rows y * R / 16 + i; of the scores the columns x + 16 j, of the result the
// elements x + 16 d. With `parts` > 1 the keys are cut into that many parts of `span` keys for blocks of their
// own, and attention_merge puts the parts' sums together.
#include "attention.cuh"

namespace attention {

template <int D, int R, int C>
struct ForwardShared {
  float q[R][D + 4];
  float k[C][D + 4];
  float v[C][D + 4];
  float p[R][C + 4];
};

template <int D, int R, int C>
DV void forward_f32(
    const float* q, const float* k, const float* v, const long long* lengths, float* out, float* lse, float* part,
    const Call& c, float scale, int parts, int span) {
  constexpr int I = R / 16, J = C / 16, DD = D / 16;
  auto& s = smem<ForwardShared<D, R, C>>();
  int x = threadIdx.x & 15;
  int y = threadIdx.x >> 4;
  int id = int(blockIdx.x) / parts;
  int which = int(blockIdx.x) % parts;
  Rows rows = rows_of(c, id, R);
  int real = real_keys(c, lengths, rows.b);
  int from = which * span;
  int to = min(rows.most(c, real, R), from + span);
  int all_see = rows.fewest(c, real, R);

  load<D>(s.q, q, c, [&](int i) {
    return rows.exists(i) ? at(q, c.q, rows.b, rows.query(i), rows.head(i)) : nullptr;
  });
  auto load_keys = [&](float (&tile)[C][D + 4], const float* data, const View& view, int first) {
    if (first < to) {
      load<D>(tile, data, c, [&](int i) {
        return first + i < to ? at(data, view, rows.b, first + i, rows.g) : nullptr;
      });
    }
    cp_commit();
  };
  load_keys(s.k, k, c.k, from);
  load_keys(s.v, v, c.v, from);

  int seen[I];
  float largest[I], total[I], sums[I][DD];
#pragma unroll
  for (int i = 0; i < I; i++) {
    int r = y * I + i;
    seen[i] = rows.exists(r) ? visible(c, real, rows.query(r)) : 0;
    largest[i] = -INFINITY;
    total[i] = 0.f;
#pragma unroll
    for (int d = 0; d < DD; d++) sums[i][d] = 0.f;
  }
  for (int first = from; first < to; first += C) {
    cp_wait<1>();
    __syncthreads();  // keys are there, and the queries
    float scores[I][J];
    products<D>(scores, s.q, y * I, s.k, x);
    __syncthreads();  // nobody reads these keys any more
    load_keys(s.k, k, c.k, first + C);
#pragma unroll
    for (int i = 0; i < I; i++) {
      float most = largest[i];
#pragma unroll
      for (int j = 0; j < J; j++) {
        scores[i][j] = first + x + 16 * j < min(seen[i], to) ? scale * scores[i][j] : -INFINITY;
        most = fmaxf(most, scores[i][j]);
      }
      most = row_max(most);
      float factor = rescale(largest[i], most);
      largest[i] = most;
      total[i] *= factor;
#pragma unroll
      for (int d = 0; d < DD; d++) sums[i][d] *= factor;
#pragma unroll
      for (int j = 0; j < J; j++) {
        float p = weight(scores[i][j], most);
        total[i] += p;
        s.p[y * I + i][x + 16 * j] = p;
      }
    }
    cp_wait<1>();
    __syncthreads();  // values are there, and the weights
    if (first + C <= all_see) {
      weighted<C>(sums, s.p, y * I, s.v, x);
    } else {
      weighted_seen<C>(sums, s.p, y * I, s.v, x);
    }
    __syncthreads();  // nobody reads values and weights any more
    load_keys(s.v, v, c.v, first + C);
  }
  cp_wait<0>();

#pragma unroll
  for (int i = 0; i < I; i++) {
    int r = y * I + i;
    float sum = row_sum(total[i]);
    if (!rows.exists(r)) continue;
    if (parts > 1) {
      long long place = rows.place(c, r) * parts + which;
      float* target = part + place * (c.depth + 2);
      if (x == 0) {
        target[0] = largest[i];
        target[1] = sum;
      }
#pragma unroll
      for (int d = 0; d < DD; d++)
        if (x + 16 * d < c.depth) target[2 + x + 16 * d] = sums[i][d];
      continue;
    }
    float* target = at(out, c.out, rows.b, rows.query(r), rows.head(r));
#pragma unroll
    for (int d = 0; d < DD; d++)
      if (x + 16 * d < c.depth) target[x + 16 * d] = sum == 0.f ? 0.f : sums[i][d] / sum;
    if (x == 0) lse[rows.place(c, r)] = sum == 0.f ? -INFINITY : largest[i] + logf(sum);
  }
}

}  // namespace attention

#define ATTENTION_FORWARD_F32(D, R, C)                                                                             \
  extern "C" __global__ void __launch_bounds__(256, 2) attention_forward_f32_##D(                                     \
      const float* __restrict__ q, const float* __restrict__ k, const float* __restrict__ v,                       \
      const long long* __restrict__ lengths, float* __restrict__ out, float* __restrict__ lse,                     \
      float* __restrict__ part, attention::Call c, float scale, int parts, int span) {                             \
    attention::forward_f32<D, R, C>(q, k, v, lengths, out, lse, part, c, scale, parts, span);                      \
  }                                                                                                                \
  CU_EXPORT(attention_forward_f32_##D)

ATTENTION_FORWARD_F32(64, 64, 64);
ATTENTION_FORWARD_F32(80, 64, 64);
ATTENTION_FORWARD_F32(128, 64, 32);
