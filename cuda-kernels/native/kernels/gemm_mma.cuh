// Products of tiles on the tensor cores: operands rounded on their way into shared memory, sums in F32.
#pragma once
#include "gemm_operand.cuh"

namespace gemm {

// Operands of 11 significant bits.
struct Tf32 {
  using Element = unsigned;
  static constexpr int DEPTH = 8;  // of one instruction
  // Behind each row of shared memory, so that the lanes of a warp meet 32 banks.
  static constexpr int PAD_ALONG = 4;
  static constexpr int PAD_ACROSS = 8;

  DV static void put(unsigned* to, const float (&v)[4]) {
    *reinterpret_cast<uint4*>(to) =
        make_uint4(dv::to_tf32(v[0]), dv::to_tf32(v[1]), dv::to_tf32(v[2]), dv::to_tf32(v[3]));
  }

  DV static void left(const unsigned* at, int pitch, bool across, unsigned (&a)[4]) {
    int g = (threadIdx.x & 31) >> 2;
    int t = threadIdx.x & 3;
#pragma unroll
    for (int r = 0; r < 4; r++) {
      int i = g + 8 * (r & 1);
      int k = t + 4 * (r >> 1);
      a[r] = at[across ? k * pitch + i : i * pitch + k];
    }
  }

  // Two neighbours of eight columns each.
  DV static void right(const unsigned* at, int pitch, bool across, unsigned (&b)[2][2]) {
    int g = (threadIdx.x & 31) >> 2;
    int t = threadIdx.x & 3;
#pragma unroll
    for (int c = 0; c < 2; c++) {
#pragma unroll
      for (int r = 0; r < 2; r++) {
        int j = g + 8 * c;
        int k = t + 4 * r;
        b[c][r] = at[across ? k * pitch + j : j * pitch + k];
      }
    }
  }

  DV static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { dv::mma_tf32(d, a, b); }
};

// Operands of 8 significant bits.
struct Bf16 {
  using Element = unsigned short;
  static constexpr int DEPTH = 16;
  static constexpr int PAD_ALONG = 8;
  static constexpr int PAD_ACROSS = 8;

  DV static void put(unsigned short* to, const float (&v)[4]) {
    uint2 pairs;
    pairs.x = dv::pack_bf16(v[0], v[1]);
    pairs.y = dv::pack_bf16(v[2], v[3]);
    *reinterpret_cast<uint2*>(to) = pairs;
  }

  // The four 8 x 8 matrices of a: rows first, then depths.
  DV static void left(const unsigned short* at, int pitch, bool across, unsigned (&a)[4]) {
    int lane = threadIdx.x & 31;
    if (across) {
      dv::ldmatrix4<true>(a, at + ((lane >> 4) * 8 + (lane & 7)) * pitch + (lane >> 3 & 1) * 8);
    } else {
      dv::ldmatrix4<false>(a, at + (lane & 15) * pitch + (lane >> 4) * 8);
    }
  }

  DV static void right(const unsigned short* at, int pitch, bool across, unsigned (&b)[2][2]) {
    int lane = threadIdx.x & 31;
    unsigned four[4];
    if (across) {
      dv::ldmatrix4<true>(four, at + ((lane >> 3 & 1) * 8 + (lane & 7)) * pitch + (lane >> 4) * 8);
    } else {
      dv::ldmatrix4<false>(four, at + ((lane >> 4) * 8 + (lane & 7)) * pitch + (lane >> 3 & 1) * 8);
    }
    b[0][0] = four[0];
    b[0][1] = four[1];
    b[1][0] = four[2];
    b[1][1] = four[3];
  }

  DV static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { dv::mma_bf16(d, a, b); }
};

// Tiles of BM x BN, of which each warp has WM x WN.
template <class Format, int BM_, int BN_, int BK_, int WM, int WN>
struct Mma {
  static constexpr int BM = BM_;
  static constexpr int BN = BN_;
  static constexpr int BK = BK_;
  static constexpr int DOWN = BM / WM;
  static constexpr int THREADS = 32 * DOWN * (BN / WN);
  static constexpr int SUMS = WM * WN / 32;
  static_assert(WM % 16 == 0 && WN % 16 == 0 && BK % Format::DEPTH == 0);

  // With i along the rows where the operand came across, with k where it came along.
  template <int OUTER>
  struct __align__(16) Block {
    static constexpr int ALONG = BK + Format::PAD_ALONG;
    static constexpr int ACROSS = OUTER + Format::PAD_ACROSS;
    static constexpr int CELLS = OUTER * ALONG > BK * ACROSS ? OUTER * ALONG : BK * ACROSS;

    typename Format::Element cells[CELLS];

    DV static int pitch(bool across) { return across ? ACROSS : ALONG; }

    DV void put(bool across, int i, int k, const float (&values)[4]) {
      Format::put(&cells[across ? k * ACROSS + i : i * ALONG + k], values);
    }

    DV const typename Format::Element* at(bool across, int i, int k) const {
      return &cells[across ? k * ACROSS + i : i * ALONG + k];
    }
  };
  using Left = Block<BM>;
  using Right = Block<BN>;

  DV static void multiply(const Left& left, bool left_across, const Right& right, bool right_across,
                          float (&sums)[SUMS]) {
    int warp = threadIdx.x >> 5;
    int row = warp % DOWN * WM;
    int column = warp / DOWN * WN;
    auto& tiles = reinterpret_cast<float(&)[WM / 16][WN / 8][4]>(sums);
#pragma unroll
    for (int k = 0; k < BK; k += Format::DEPTH) {
      unsigned a[WM / 16][4];
#pragma unroll
      for (int i = 0; i < WM / 16; i++) {
        Format::left(left.at(left_across, row + 16 * i, k), Left::pitch(left_across), left_across, a[i]);
      }
#pragma unroll
      for (int j = 0; j < WN / 16; j++) {
        unsigned b[2][2];
        Format::right(right.at(right_across, column + 16 * j, k), Right::pitch(right_across), right_across, b);
#pragma unroll
        for (int i = 0; i < WM / 16; i++) {
          Format::multiply(tiles[i][2 * j], a[i], b[0]);
          Format::multiply(tiles[i][2 * j + 1], a[i], b[1]);
        }
      }
    }
  }

  // visit(i, j, s): sum s of this thread is element (i, j) of the tile
  template <class Visit>
  DV static void each(Visit visit) {
    int warp = threadIdx.x >> 5;
    int g = (threadIdx.x & 31) >> 2;
    int t = threadIdx.x & 3;
    int row = warp % DOWN * WM + g;
    int column = warp / DOWN * WN + 2 * t;
#pragma unroll
    for (int i = 0; i < WM / 16; i++) {
#pragma unroll
      for (int j = 0; j < WN / 8; j++) {
#pragma unroll
        for (int r = 0; r < 4; r++) {
          visit(row + 16 * i + 8 * (r >> 1), column + 8 * j + (r & 1), (i * (WN / 8) + j) * 4 + r);
        }
      }
    }
  }
};

}  // namespace gemm
