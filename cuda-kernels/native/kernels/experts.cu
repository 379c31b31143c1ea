// What a mixture of feed-forwards needs beside grouped products.
#include "activations.cuh"
#include "gemm.cuh"
#include "groups.cuh"

namespace {

struct HiddenShape {
  long long groups;
  long long columns;
  long long depth;
  long long numbers;
  int w_type;
  int activation;
};

// z_gate = x gate^T + gate_bias, z_up = x up^T + up_bias, a = act(z_gate) z_up: both products of a tile share the
// rows of x in shared memory. z_gate may be a.
template <class P>
DV void hidden_tile(const float* x, const long long* index, const void* gate, const float* gate_bias,
                    const void* up, const float* up_bias, const long long* offsets, float* z_gate,
                    float* z_up, float* a, const HiddenShape& s) {
  auto& shared = dv::smem<gemm::Shared<P, 2>>();
  gemm::GroupTile tile = gemm::group_tile<P::BM>(offsets, s.groups, blockIdx.x % s.numbers);
  long long column = blockIdx.x / s.numbers * P::BN;
  long long rows = tile.end - tile.first;
  if (rows <= 0) return;
  long long place = tile.first * s.columns + column;
  long long columns = s.columns - column;
  float sums[2][P::SUMS] = {};
  const float* data = index ? x : x + tile.first * s.depth;
  gemm::Operand left = gemm::operand(data, gemm::TYPE_F32, rows, s.depth, s.depth, 1);
  left.rows = index ? index + tile.first : nullptr;
  long long matrix = tile.group * s.columns * s.depth * gemm::bytes_of(s.w_type);
  gemm::Operand right[2] = {
      gemm::operand(static_cast<const char*>(gate) + matrix, s.w_type, s.columns, s.depth, s.depth, 1),
      gemm::operand(static_cast<const char*>(up) + matrix, s.w_type, s.columns, s.depth, s.depth, 1)};
  gemm::product<P, 2, true>(shared, left, right, 0, column, sums);
  long long bias = tile.group * s.columns + column;
  P::each([&](int i, int j, int at) {
    if (i >= rows || j >= columns) return;
    z_gate[place + i * s.columns + j] = gate_bias ? sums[0][at] + gate_bias[bias + j] : sums[0][at];
    z_up[place + i * s.columns + j] = up_bias ? sums[1][at] + up_bias[bias + j] : sums[1][at];
  });
  __syncthreads();
  for (int slot = threadIdx.x; slot < P::BM * P::BN; slot += P::THREADS) {
    int i = slot / P::BN;
    int j = slot % P::BN;
    if (i >= rows || j >= columns) continue;
    long long at = place + i * s.columns + j;
    a[at] = dv::activate(s.activation, z_gate[at]) * z_up[at];
  }
}

constexpr int HIDDEN_ROW_THREADS = 128;
constexpr int COMBINE_THREADS = 128;

struct HiddenGradientShape {
  long long groups;
  long long columns;
  long long down;  // columns of the output
  int activation;
};

struct CombineShape {
  long long columns;
  long long from;
  long long end;
};

}  // namespace

#define HIDDEN_KERNEL(suffix, P)                                                                             \
  extern "C" __global__ void __launch_bounds__(gemm::P::THREADS)                                             \
      experts_hidden_##suffix(const float* x, const long long* index, const void* gate,                      \
                              const float* gate_bias, const void* up, const float* up_bias,                  \
                              const long long* offsets, float* z_gate, float* z_up, float* a,                \
                              HiddenShape shape) {                                                           \
    hidden_tile<gemm::P>(x, index, gate, gate_bias, up, up_bias, offsets, z_gate, z_up, a, shape);           \
  }                                                                                                          \
  CU_EXPORT(experts_hidden_##suffix)

HIDDEN_KERNEL(f32, SmallF32);
HIDDEN_KERNEL(tf32, SmallTf32);
HIDDEN_KERNEL(bf16, PairBf16);

// One block for each row; see ExpertKernels.hiddenGradient. The sum that becomes weight_gradient has a fixed order:
// every 128th column by each thread, then over the threads.
extern "C" __global__ void __launch_bounds__(HIDDEN_ROW_THREADS)
    experts_hidden_gradient(const long long* slot, const float* weights, const long long* offsets,
                            const float* grad, const long long* grad_index, const float* down_bias,
                            const float* z_gate, const float* z_up, float* u, float* dz_gate, float* dz_up,
                            float* weight_gradient, HiddenGradientShape s) {
  __shared__ float partial[32];
  long long row = blockIdx.x;
  long long place = weights ? slot[row] : 0;
  float scale = weights ? weights[place] : 1.0f;
  float sum = 0.0f;
  if (down_bias) {
    long long from = grad_index ? grad_index[row] : row;
    long long group = gemm::group_of_row(offsets, s.groups, row);
    for (long long j = threadIdx.x; j < s.down; j += HIDDEN_ROW_THREADS) {
      sum += grad[from * s.down + j] * down_bias[group * s.down + j];
    }
  }
  for (long long j = threadIdx.x; j < s.columns; j += HIDDEN_ROW_THREADS) {
    long long at = row * s.columns + j;
    float g = u[at];
    float z = z_gate[at];
    float up = z_up ? z_up[at] : 1.0f;
    float value = dv::activate(s.activation, z);
    sum += g * value * up;
    dz_gate[at] = scale * g * up * dv::activation_derivative(s.activation, z);
    if (z_up) dz_up[at] = scale * g * value;
    u[at] = scale * value * up;
  }
  if (!weight_gradient) return;
  sum = dv::block_sum(sum, partial);
  if (threadIdx.x == 0) weight_gradient[place] = sum;
}
CU_EXPORT(experts_hidden_gradient);

// y[t, :] = sum over the token's rows in [from, end) of weights[slot[r]] o[r - from, :], as one chain of fused
// multiply-adds in ascending order of rows. Block x is the token, block y a range of columns.
extern "C" __global__ void __launch_bounds__(COMBINE_THREADS)
    experts_combine(const float* o, const float* weights, const long long* slot, const long long* token_start,
                    const long long* token_row, float* y, CombineShape s) {
  long long token = blockIdx.x;
  long long j = (long long)blockIdx.y * COMBINE_THREADS + threadIdx.x;
  if (j >= s.columns) return;
  long long start = token_start[token];
  long long stop = token_start[token + 1];
  float* to = y + token * s.columns + j;
  if (start == stop && s.from == 0) *to = 0.0f;
  bool begun = false;
  float sum = 0.0f;
  for (long long i = start; i < stop; i++) {
    long long row = token_row[i];
    if (row < s.from || row >= s.end) continue;
    if (!begun && i > start) sum = *to;
    begun = true;
    float weight = weights ? weights[slot[row]] : 1.0f;
    sum = fmaf(weight, o[(row - s.from) * s.columns + j], sum);
  }
  if (begun) *to = sum;
}
CU_EXPORT(experts_combine);
