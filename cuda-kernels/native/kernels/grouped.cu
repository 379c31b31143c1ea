// Products of row groups with a matrix of their own each.
#include "activations.cuh"
#include "gemm.cuh"
#include "groups.cuh"

namespace {

struct GroupedShape {
  long long groups;
  long long columns;
  long long depth;
  long long w_column;
  long long w_depth;
  long long numbers;  // of tiles along the rows
  int w_type;
  int accumulate;
  int activation;
};

// The rows of the left operand, which lie at first.. or where the index says.
DV gemm::Operand grouped_left(const float* values, const long long* index, long long columns, long long first,
                         long long end) {
  const float* data = index ? values : values + first * columns;
  gemm::Operand rows = gemm::operand(data, gemm::TYPE_F32, end - first, columns, columns, 1);
  rows.rows = index ? index + first : nullptr;
  return rows;
}

// out[r, :] = x[r, :] w[e]^T + bias[e], with w by its strides: the same kernel multiplies with w[e]. Block x is
// the tile, rows before columns. With `activated` also that of out.
template <class P>
DV void grouped_tile(const float* x, const long long* index, const void* w, const float* bias,
                     const long long* offsets, float* out, float* activated, const GroupedShape& s) {
  auto& shared = dv::smem<gemm::Shared<P, 1>>();
  gemm::GroupTile tile = gemm::group_tile<P::BM>(offsets, s.groups, blockIdx.x % s.numbers);
  long long column = blockIdx.x / s.numbers * P::BN;
  long long rows = tile.end - tile.first;
  if (rows <= 0) return;
  float* to = out + tile.first * s.columns + column;
  long long columns = s.columns - column;
  float sums[1][P::SUMS];
  P::each([&](int i, int j, int at) {
    bool inside = i < rows && j < columns;
    sums[0][at] = s.accumulate && inside ? to[i * s.columns + j] : 0.0f;
  });
  const char* matrix =
      static_cast<const char*>(w) + tile.group * s.columns * s.depth * gemm::bytes_of(s.w_type);
  gemm::Operand left = grouped_left(x, index, s.depth, tile.first, tile.end);
  gemm::Operand right[1] = {gemm::operand(matrix, s.w_type, s.columns, s.depth, s.w_column, s.w_depth)};
  gemm::product<P, 1, true>(shared, left, right, 0, column, sums);
  const float* row = bias ? bias + tile.group * s.columns + column : nullptr;
  P::each([&](int i, int j, int at) {
    if (i >= rows || j >= columns) return;
    to[i * s.columns + j] = row ? sums[0][at] + row[j] : sums[0][at];
  });
  if (!activated) return;
  __syncthreads();
  float* values = activated + tile.first * s.columns + column;
  for (int slot = threadIdx.x; slot < P::BM * P::BN; slot += P::THREADS) {
    int i = slot / P::BN;
    int j = slot % P::BN;
    if (i < rows && j < columns) values[i * s.columns + j] = dv::activate(s.activation, to[i * s.columns + j]);
  }
}

struct WeightGradientShape {
  long long n;
  long long k;
  int accumulate;
};

// dw[e] = grad_e^T x_e. Block x is the tile, block y the group.
template <class P>
DV void weight_gradient_tile(const float* grad, const long long* grad_index, const float* x,
                             const long long* x_index, const long long* offsets, float* dw,
                             const WeightGradientShape& s) {
  auto& shared = dv::smem<gemm::Shared<P, 1>>();
  long long down = (s.n + P::BM - 1) / P::BM;
  long long row = blockIdx.x % down * P::BM;
  long long column = blockIdx.x / down * P::BN;
  long long first = offsets[blockIdx.y];
  long long depth = offsets[blockIdx.y + 1] - first;
  float* to = dw + blockIdx.y * s.n * s.k;
  float sums[1][P::SUMS];
  P::each([&](int i, int j, int at) {
    bool inside = row + i < s.n && column + j < s.k;
    sums[0][at] = s.accumulate && inside ? to[(row + i) * s.k + column + j] : 0.0f;
  });
  gemm::Operand left =
      gemm::operand(grad_index ? grad : grad + first * s.n, gemm::TYPE_F32, s.n, depth, 1, s.n);
  left.depths = grad_index ? grad_index + first : nullptr;
  gemm::Operand right[1] = {gemm::operand(x_index ? x : x + first * s.k, gemm::TYPE_F32, s.k, depth, 1, s.k)};
  right[0].depths = x_index ? x_index + first : nullptr;
  gemm::product<P, 1, false>(shared, left, right, row, column, sums);
  P::each([&](int i, int j, int at) {
    if (row + i < s.n && column + j < s.k) to[(row + i) * s.k + column + j] = sums[0][at];
  });
}

constexpr int BIAS_COLUMNS = 32;
constexpr int BIAS_LANES = 8;

}  // namespace

#define GROUPED_KERNELS(suffix, P)                                                                          \
  extern "C" __global__ void __launch_bounds__(gemm::P::THREADS)                                            \
      grouped_rows_##suffix(const float* x, const long long* index, const void* w, const float* bias,       \
                            const long long* offsets, float* out, float* activated, GroupedShape shape) {   \
    grouped_tile<gemm::P>(x, index, w, bias, offsets, out, activated, shape);                               \
  }                                                                                                         \
  CU_EXPORT(grouped_rows_##suffix);                                                                         \
  extern "C" __global__ void __launch_bounds__(gemm::P::THREADS) grouped_weight_gradient_##suffix(          \
      const float* grad, const long long* grad_index, const float* x, const long long* x_index,             \
      const long long* offsets, float* dw, WeightGradientShape shape) {                                     \
    weight_gradient_tile<gemm::P>(grad, grad_index, x, x_index, offsets, dw, shape);                        \
  }                                                                                                         \
  CU_EXPORT(grouped_weight_gradient_##suffix)

GROUPED_KERNELS(f32, SmallF32);
GROUPED_KERNELS(f32_large, LargeF32);
GROUPED_KERNELS(tf32, SmallTf32);
GROUPED_KERNELS(tf32_large, LargeTf32);
GROUPED_KERNELS(bf16, SmallBf16);
GROUPED_KERNELS(bf16_large, LargeBf16);

// dbias[e] = sum over the group's rows of scale[r] grad[r, :]. Block x is 32 columns, block y the group. Each of 8
// threads of a column adds up every eighth row in ascending order; their sums are added in the order of the threads.
extern "C" __global__ void __launch_bounds__(BIAS_COLUMNS* BIAS_LANES)
    grouped_bias_gradient(const float* grad, const long long* index, const float* scale,
                          const long long* offsets, float* dbias, long long columns, int accumulate) {
  __shared__ float partial[BIAS_LANES][BIAS_COLUMNS];
  int x = threadIdx.x % BIAS_COLUMNS;
  int y = threadIdx.x / BIAS_COLUMNS;
  long long column = (long long)blockIdx.x * BIAS_COLUMNS + x;
  long long end = offsets[blockIdx.y + 1];
  float sum = 0.0f;
  for (long long r = offsets[blockIdx.y] + y; r < end && column < columns; r += BIAS_LANES) {
    long long row = index ? index[r] : r;
    float value = grad[row * columns + column];
    sum += scale ? scale[r] * value : value;
  }
  partial[y][x] = sum;
  __syncthreads();
  if (y > 0 || column >= columns) return;
  float* to = dbias + blockIdx.y * columns + column;
  float total = accumulate ? *to : 0.0f;
  for (int lane = 0; lane < BIAS_LANES; lane++) total += partial[lane][x];
  *to = total;
}
CU_EXPORT(grouped_bias_gradient);
