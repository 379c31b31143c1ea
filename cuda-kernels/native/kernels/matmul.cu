// Dense products of batches of matrices.
#include "gemm.cuh"

namespace {

// All strides in elements. Batches are numbered in row-major order of the batch dimensions.
struct MatmulShape {
  long long m;
  long long n;
  long long k;
  long long a_row;
  long long a_depth;
  long long b_depth;
  long long b_column;
  long long first_batch;
  int b_type;
  int accumulate;
};

DV long long matmul_batch_offset(const dv::Layout8& batches, long long batch) {
  long long offset = 0;
  for (int d = batches.rank - 1; d >= 0; d--) {
    offset += batch % batches.shape[d] * batches.stride[d];
    batch /= batches.shape[d];
  }
  return offset;
}

// Block x is the tile, rows before columns; block z the batch.
template <class P>
DV void matmul_tile(const float* a, const void* b, const float* bias, float* c, const MatmulShape& s,
                    const dv::Layout8& batches_a, const dv::Layout8& batches_b) {
  auto& shared = dv::smem<gemm::Shared<P, 1>>();
  long long batch = s.first_batch + blockIdx.z;
  long long tiles_down = (s.m + P::BM - 1) / P::BM;
  long long row = blockIdx.x % tiles_down * P::BM;
  long long column = blockIdx.x / tiles_down * P::BN;
  const char* right = static_cast<const char*>(b) + matmul_batch_offset(batches_b, batch) * gemm::bytes_of(s.b_type);
  float* out = c + batch * s.m * s.n;
  float sums[1][P::SUMS];
  P::each([&](int i, int j, int at) {
    bool inside = row + i < s.m && column + j < s.n;
    sums[0][at] = s.accumulate && inside ? out[(row + i) * s.n + column + j] : 0.0f;
  });
  gemm::Operand left = gemm::operand(a + matmul_batch_offset(batches_a, batch), gemm::TYPE_F32, s.m, s.k, s.a_row, s.a_depth);
  gemm::Operand rights[1] = {gemm::operand(right, s.b_type, s.n, s.k, s.b_column, s.b_depth)};
  gemm::product<P, 1, true>(shared, left, rights, row, column, sums);
  P::each([&](int i, int j, int at) {
    if (row + i >= s.m || column + j >= s.n) return;
    out[(row + i) * s.n + column + j] = bias ? sums[0][at] + bias[column + j] : sums[0][at];
  });
}

}  // namespace

#define MATMUL_KERNEL(name, P)                                                                    \
  extern "C" __global__ void __launch_bounds__(gemm::P::THREADS)                                  \
      name(const float* a, const void* b, const float* bias, float* c, MatmulShape shape,         \
           dv::Layout8 batches_a, dv::Layout8 batches_b) {                                        \
    matmul_tile<gemm::P>(a, b, bias, c, shape, batches_a, batches_b);                             \
  }                                                                                               \
  CU_EXPORT(name)

MATMUL_KERNEL(matmul_f32, SmallF32);
MATMUL_KERNEL(matmul_f32_large, LargeF32);
MATMUL_KERNEL(matmul_tf32, SmallTf32);
MATMUL_KERNEL(matmul_tf32_large, LargeTf32);
MATMUL_KERNEL(matmul_bf16, SmallBf16);
MATMUL_KERNEL(matmul_bf16_large, LargeBf16);
