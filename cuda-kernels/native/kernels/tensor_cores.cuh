// Products of tensor cores (mma.sync, sm_80) and loads of their operands. A warp works as one: all 32 lanes
// call, each holds its part (fragment) as the PTX manual lays it out. With lane = 4 g + t:
//   A 16x16 (bf16): a[r] holds A[g + 8 (r & 1)][2 t + 8 (r >> 1)] and the element to its right
//   B 16x8  (bf16): b[r] holds B[2 t + 8 r][g] and the element below it
//   A 16x8  (tf32): a[r] is A[g + 8 (r & 1)][t + 4 (r >> 1)];  B 8x8: b[r] is B[t + 4 r][g]
//   C, D 16x8 (f32): d[r] is D[g + 8 (r >> 1)][2 t + (r & 1)]
#pragma once

namespace dv {

#ifndef __CUDACC__
namespace twin {

template <int K>
struct Tile {
  float a[16][K];
  float b[K][8];
  float d[16][8];

  void multiply() {
    for (int i = 0; i < 16; i++) {
      for (int k = 0; k < K; k++) {
        for (int j = 0; j < 8; j++) d[i][j] += a[i][k] * b[k][j];
      }
    }
  }
};

struct Operands {
  unsigned a[4];
  unsigned b[2];
  float c[4];
};

struct Result {
  float d[4];
};

// put(tile, operands, g, t): the A and B parts of one lane.
template <int K, class Put>
inline void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], int operation, Put put) {
  Operands in;
  std::memcpy(in.a, a, sizeof in.a);
  std::memcpy(in.b, b, sizeof in.b);
  std::memcpy(in.c, d, sizeof in.c);
  Result out = cuhost::collective<Operands, Result>(~0u, operation, in, [&](cuhost::Warp& warp) {
    Tile<K> tile;
    for (int lane = 0; lane < 32; lane++) {
      const Operands& part = cuhost::input<Operands>(warp, lane);
      int g = lane >> 2;
      int t = lane & 3;
      put(tile, part, g, t);
      for (int r = 0; r < 4; r++) tile.d[g + 8 * (r >> 1)][2 * t + (r & 1)] = part.c[r];
    }
    tile.multiply();
    for (int lane = 0; lane < 32; lane++) {
      Result& part = cuhost::output<Result>(warp, lane);
      int g = lane >> 2;
      int t = lane & 3;
      for (int r = 0; r < 4; r++) part.d[r] = tile.d[g + 8 * (r >> 1)][2 * t + (r & 1)];
    }
  });
  std::memcpy(d, out.d, sizeof out.d);
}

}  // namespace twin
#endif

// D += A B with A 16x16 and B 16x8 in bf16, D in f32.
DV void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  twin::mma<16>(d, a, b, cuhost::OP_MMA_BF16, [](twin::Tile<16>& tile, const twin::Operands& part, int g, int t) {
    for (int r = 0; r < 4; r++) {
      int row = g + 8 * (r & 1);
      int column = 2 * t + 8 * (r >> 1);
      tile.a[row][column] = bf16_low(part.a[r]);
      tile.a[row][column + 1] = bf16_high(part.a[r]);
    }
    for (int r = 0; r < 2; r++) {
      int row = 2 * t + 8 * r;
      tile.b[row][g] = bf16_low(part.b[r]);
      tile.b[row + 1][g] = bf16_high(part.b[r]);
    }
  });
#endif
}

// D += A B with A 16x8 and B 8x8 in tf32 (see to_tf32), D in f32.
DV void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  twin::mma<8>(d, a, b, cuhost::OP_MMA_TF32, [](twin::Tile<8>& tile, const twin::Operands& part, int g, int t) {
    // Tensor cores do not look at the low 13 bits.
    auto value = [](unsigned bits) { return __uint_as_float(bits & ~0x1fffu); };
    for (int r = 0; r < 4; r++) tile.a[g + 8 * (r & 1)][t + 4 * (r >> 1)] = value(part.a[r]);
    for (int r = 0; r < 2; r++) tile.b[t + 4 * r][g] = value(part.b[r]);
  });
#endif
}

// Four 8x8 matrices of 16-bit elements from shared memory: lanes 8i to 8i+7 name the rows of matrix i, each 16
// bytes at a multiple of 16. r[i] of lane 4 g + t holds elements [g][2 t] and [g][2 t + 1] of matrix i, or, if
// TRANSPOSED, [2 t][g] and [2 t + 1][g].
template <bool TRANSPOSED>
DV void ldmatrix4(unsigned (&r)[4], const void* row) {
#ifdef __CUDACC__
  unsigned address = shared_address(row);
  if constexpr (TRANSPOSED) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  }
#else
  if (reinterpret_cast<uintptr_t>(row) & 15) {
    cuhost::fail(cuhost::Fault::misaligned_address, "ldmatrix: the row at %p is not a multiple of 16", row);
  }
  struct Result {
    unsigned r[4];
  };
  Result out = cuhost::collective<const void*, Result>(~0u, cuhost::OP_LDMATRIX, row, [](cuhost::Warp& warp) {
    auto element = [&](int matrix, int i, int j) -> unsigned {
      const void* start = cuhost::input<const void*>(warp, matrix * 8 + i);
      return static_cast<const unsigned short*>(start)[j];
    };
    for (int lane = 0; lane < 32; lane++) {
      int g = lane >> 2;
      int t = lane & 3;
      for (int m = 0; m < 4; m++) {
        unsigned low = TRANSPOSED ? element(m, 2 * t, g) : element(m, g, 2 * t);
        unsigned high = TRANSPOSED ? element(m, 2 * t + 1, g) : element(m, g, 2 * t + 1);
        cuhost::output<Result>(warp, lane).r[m] = low | high << 16;
      }
    }
  });
  std::memcpy(r, out.r, sizeof out.r);
#endif
}

}  // namespace dv
