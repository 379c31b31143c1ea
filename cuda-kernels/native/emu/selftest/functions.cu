// Kernels that do right: what they compute is compared with Java.
#include "dev.cuh"

// out[0] = 10 out[0] + digit: the digits show in which order launches ran.
extern "C" __global__ void check_append(long long* out, int digit) { out[0] = 10 * out[0] + digit; }
CU_EXPORT(check_append);

// Of one warp, 16 results of each lane.
extern "C" __global__ void check_warp(const int* in, int* out) {
  using dv::all_lanes;
  int lane = threadIdx.x;
  int value = in[lane];
  int* results = out + lane * 16;
  results[0] = __shfl_sync(all_lanes, value, 5);
  results[1] = __shfl_up_sync(all_lanes, value, 3);
  results[2] = __shfl_down_sync(all_lanes, value, 3);
  results[3] = __shfl_xor_sync(all_lanes, value, 7);
  results[4] = __shfl_sync(all_lanes, value, 9, 8);
  results[5] = __shfl_down_sync(all_lanes, value, 2, 8);
  results[6] = int(__ballot_sync(all_lanes, value & 1));
  results[7] = __any_sync(all_lanes, value == 3) + 2 * __all_sync(all_lanes, value >= 0);
  results[8] = int(__reduce_add_sync(all_lanes, value));
  results[9] = __reduce_min_sync(all_lanes, value);
  results[10] = __reduce_max_sync(all_lanes, value);
  results[11] = int(__match_any_sync(all_lanes, value % 3));
  double wide = __shfl_xor_sync(all_lanes, double(value) + 0.25, 1);
  results[12] = int(wide * 4);
  long long long_value = __shfl_sync(all_lanes, (long long)value << 40, 31);
  results[13] = int(long_value >> 40);
  // A part of the warp by itself.
  unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  results[14] = int(__ballot_sync(half, 1));
  __syncwarp();
  results[15] = __popc(__activemask()) >= 1;
}
CU_EXPORT(check_warp);

// Of one block: barriers that count, and sums.
extern "C" __global__ void check_block(const float* in, float* sums, int* counts, int count) {
  __shared__ float partial[32];
  int i = threadIdx.x;
  float value = i < count ? in[i] : 0.0f;
  float sum = dv::block_sum(value, partial);
  float largest = dv::block_max(value, partial);
  int counted = __syncthreads_count(i < count);
  int any = __syncthreads_or(i == 7);
  int all = __syncthreads_and(i >= 0);
  int not_all = __syncthreads_and(i > 0);
  if (i != 0) return;
  sums[0] = sum;
  sums[1] = largest;
  counts[0] = counted;
  counts[1] = any;
  counts[2] = all;
  counts[3] = not_all;
}
CU_EXPORT(check_block);

// All integer atomics, from as many threads as there are.
extern "C" __global__ void check_atomics(int* ints, long long* longs, unsigned* bits) {
  int i = int(dv::global_index());
  atomicAdd(&ints[0], 1);
  atomicMax(&ints[1], i);
  atomicMin(&ints[2], -i);
  atomicAdd(reinterpret_cast<unsigned long long*>(&longs[0]), 1ull << 33);
  atomicMax(&longs[1], (long long)i << 32);
  atomicOr(&bits[0], 1u << (i % 32));
  atomicCAS(&bits[1], 0u, 77u);
}
CU_EXPORT(check_atomics);

// Bits of floats to the bits of f16 and bf16 and back.
extern "C" __global__ void check_halves(const float* in, unsigned short* f16_bits, unsigned short* bf16_bits,
                                        float* from_f16, float* from_bf16, int count) {
  int i = int(dv::global_index());
  if (i >= count) return;
  dv::f16 half = dv::to_f16(in[i]);
  dv::bf16 brain = dv::to_bf16(in[i]);
  f16_bits[i] = half.u;
  bf16_bits[i] = brain.u;
  from_f16[i] = dv::to_f32(half);
  from_bf16[i] = dv::to_f32(brain);
}
CU_EXPORT(check_halves);

extern "C" __global__ void check_philox(unsigned* out, unsigned long long seed, unsigned long long stream,
                                        unsigned long long first, int count) {
  int i = int(dv::global_index());
  if (i < count) out[i] = dv::philox_word(seed, stream, first + i);
}
CU_EXPORT(check_philox);

struct CheckTiles {
  dv::bf16 a[16 * 16];
  dv::bf16 b[16 * 16];
};

// out (16x8) = a (16x16) times b (16x8, rows of 16), both rounded to bf16, through ldmatrix and mma.sync.
extern "C" __global__ void check_mma(const float* a, const float* b, float* out) {
  CheckTiles& tiles = dv::smem<CheckTiles>();
  int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) {
    tiles.a[i] = dv::to_bf16(a[i]);
    tiles.b[i] = dv::to_bf16(b[i]);
  }
  __syncwarp();
  unsigned fragment_a[4];
  unsigned columns[4];
  dv::ldmatrix4<false>(fragment_a, &tiles.a[(lane % 16) * 16 + lane / 16 * 8]);
  dv::ldmatrix4<true>(columns, &tiles.b[(lane % 16) * 16 + lane / 16 * 8]);
  unsigned fragment_b[2] = {columns[0], columns[1]};
  float sums[4] = {};
  dv::mma_bf16(sums, fragment_a, fragment_b);
  for (int r = 0; r < 4; r++) out[(lane / 4 + 8 * (r >> 1)) * 8 + 2 * (lane % 4) + (r & 1)] = sums[r];
}
CU_EXPORT(check_mma);
