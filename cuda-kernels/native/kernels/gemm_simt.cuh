// Products of tiles in F32 on the ordinary cores.
#pragma once
#include "gemm_operand.cuh"

namespace gemm {

// Tiles of BM x BN; each thread has TM x TN sums, in groups of four along both dimensions that lie BM / TM * 4
// rows and BN / TN * 4 columns apart, so that the vectors that neighbours read from shared memory are
// neighbours too. A sum goes over k in ascending order, one multiply-add after another, whatever the tile.
template <int BM_, int BN_, int BK_, int TM, int TN>
struct Simt {
  static constexpr int BM = BM_;
  static constexpr int BN = BN_;
  static constexpr int BK = BK_;
  static constexpr int ACROSS = BN / TN;
  static constexpr int DOWN = BM / TM;
  static constexpr int THREADS = ACROSS * DOWN;
  static constexpr int SUMS = TM * TN;
  static_assert(TM % 4 == 0 && TN % 4 == 0);

  // Both operands lie with i along rows of shared memory; four columns more keep vectors aligned.
  template <int OUTER>
  struct Block {
    float at[BK][OUTER + 4];

    DV void put(bool across, int i, int k, const float (&values)[4]) {
      if (across) {
        dv::store4(&at[k][i], make_float4(values[0], values[1], values[2], values[3]));
      } else {
#pragma unroll
        for (int c = 0; c < 4; c++) at[k + c][i] = values[c];
      }
    }
  };
  using Left = Block<BM>;
  using Right = Block<BN>;

  template <int COUNT, int APART, int OUTER>
  DV static void read(const float (&row)[OUTER], int first, float (&into)[COUNT]) {
#pragma unroll
    for (int q = 0; q < COUNT / 4; q++) {
      float4 v = dv::load4(&row[first * 4 + q * APART * 4]);
      into[4 * q] = v.x;
      into[4 * q + 1] = v.y;
      into[4 * q + 2] = v.z;
      into[4 * q + 3] = v.w;
    }
  }

  DV static void multiply(const Left& left, bool, const Right& right, bool, float (&sums)[SUMS]) {
    int x = threadIdx.x % ACROSS;
    int y = threadIdx.x / ACROSS;
    // Not further: the loads of all steps at once would take too many registers.
#pragma unroll 4
    for (int k = 0; k < BK; k++) {
      float a[TM];
      float b[TN];
      read<TM, DOWN>(left.at[k], y, a);
      read<TN, ACROSS>(right.at[k], x, b);
#pragma unroll
      for (int i = 0; i < TM; i++) {
#pragma unroll
        for (int j = 0; j < TN; j++) sums[i * TN + j] += a[i] * b[j];
      }
    }
  }

  // visit(i, j, s): sum s of this thread is element (i, j) of the tile
  template <class Visit>
  DV static void each(Visit visit) {
    int x = threadIdx.x % ACROSS;
    int y = threadIdx.x / ACROSS;
#pragma unroll
    for (int i = 0; i < TM; i++) {
#pragma unroll
      for (int j = 0; j < TN; j++) {
        visit(y * 4 + (i & 3) + (i >> 2) * DOWN * 4, x * 4 + (j & 3) + (j >> 2) * ACROSS * 4, i * TN + j);
      }
    }
  }
};

}  // namespace gemm
