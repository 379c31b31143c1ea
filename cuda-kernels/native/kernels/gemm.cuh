// The tile engine of all matrix products: operands that are strided, transposed or gathered, in F32 or in a half
// type (gemm_operand.cuh), multiplied on the ordinary cores (gemm_simt.cuh) or on the tensor cores (gemm_mma.cuh).
#pragma once
#include "gemm_operand.cuh"
#include "gemm_mma.cuh"
#include "gemm_simt.cuh"

namespace gemm {

// The tiles that kernels are made with. Small ones are for products of which there would be too few large ones;
// both give the same bits.
using SmallF32 = Simt<64, 64, 16, 8, 4>;
using LargeF32 = Simt<128, 128, 8, 8, 8>;
using SmallTf32 = Mma<Tf32, 64, 64, 16, 32, 32>;
using LargeTf32 = Mma<Tf32, 128, 128, 16, 64, 32>;
using SmallBf16 = Mma<Bf16, 64, 64, 32, 32, 32>;
// Half as deep, because what waits in registers is three operands.
using PairBf16 = Mma<Bf16, 64, 64, 16, 32, 32>;
using LargeBf16 = Mma<Bf16, 128, 128, 32, 64, 32>;

// Two tiles of each operand: one is multiplied while the next one arrives.
template <class P, int RIGHTS>
struct Shared {
  typename P::Left left[2];
  typename P::Right right[2][RIGHTS];
};

// sums[r] += left right[r], for the tile whose first row and first column are given. Products in ascending
// order of k; `depth` of all operands is the same. Every thread of the block calls.
//
// HALVES: whether right operands may be of a half type; left ones are F32.
template <class P, int RIGHTS, bool HALVES>
DV void product(Shared<P, RIGHTS>& shared, const Operand& left, const Operand (&right)[RIGHTS], long long row,
                long long column, float (&sums)[RIGHTS][P::SUMS]) {
  Part<P::BM, P::BK, P::THREADS, false> a;
  Part<P::BN, P::BK, P::THREADS, HALVES> b[RIGHTS];
  a.open(left, row);
#pragma unroll
  for (int r = 0; r < RIGHTS; r++) b[r].open(right[r], column);
  auto fetch = [&](long long k) {
    a.fetch(k);
#pragma unroll
    for (int r = 0; r < RIGHTS; r++) b[r].fetch(k);
  };
  auto put = [&](int stage) {
    a.each([&](int i, int k, const float(&v)[4]) { shared.left[stage].put(a.across, i, k, v); });
#pragma unroll
    for (int r = 0; r < RIGHTS; r++) {
      b[r].each([&](int j, int k, const float(&v)[4]) { shared.right[stage][r].put(b[r].across, j, k, v); });
    }
  };
  int stage = 0;
  if (left.depth > 0) {
    fetch(0);
    put(0);
  }
  __syncthreads();
  for (long long k = 0; k < left.depth; k += P::BK) {
    bool more = k + P::BK < left.depth;
    if (more) fetch(k + P::BK);
#pragma unroll
    for (int r = 0; r < RIGHTS; r++) {
      P::multiply(shared.left[stage], a.across, shared.right[stage][r], b[r].across, sums[r]);
    }
    // Everyone has left the other stage behind at the last barrier.
    if (more) put(stage ^ 1);
    __syncthreads();
    stage ^= 1;
  }
}

}  // namespace gemm
