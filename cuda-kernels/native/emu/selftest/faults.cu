// Kernels that do wrong, each in one way: the emulated device must say so.
#include "dev.cuh"

// Half of a warp waits at the block's barrier, the other half in a shuffle of the whole warp.
extern "C" __global__ void fault_divergent_barrier(int* out) {
  if (threadIdx.x % 32 < 16) {
    __syncthreads();
  } else {
    out[threadIdx.x] = __shfl_sync(dv::all_lanes, int(threadIdx.x), 0);
  }
}
CU_EXPORT(fault_divergent_barrier);

// The mask names a lane that has returned.
extern "C" __global__ void fault_wrong_mask(int* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_xor_sync(dv::all_lanes, int(threadIdx.x), 1);
}
CU_EXPORT(fault_wrong_mask);

// The calling lane is not in its own mask.
extern "C" __global__ void fault_foreign_mask(unsigned* out) { out[threadIdx.x] = __ballot_sync(0x0000fffeu, 1); }
CU_EXPORT(fault_foreign_mask);

// Lanes of one mask meet for different operations.
extern "C" __global__ void fault_disagreement(unsigned* out) {
  if (threadIdx.x % 2) {
    out[threadIdx.x] = __ballot_sync(dv::all_lanes, 1);
  } else {
    out[threadIdx.x] = __shfl_sync(dv::all_lanes, threadIdx.x, 0);
  }
}
CU_EXPORT(fault_disagreement);

// Writes one element behind the end.
extern "C" __global__ void fault_overrun(float* out, long long count) {
  long long i = dv::global_index();
  if (i <= count) out[i] = 1.0f;
}
CU_EXPORT(fault_overrun);

extern "C" __global__ void fault_wild_address(int* out, unsigned long long nowhere) {
  out[threadIdx.x] = *reinterpret_cast<const int*>(nowhere);
}
CU_EXPORT(fault_wild_address);

struct FaultShared {
  float values[64];
};

// Needs 256 bytes of dynamic shared memory, and writes just behind them.
extern "C" __global__ void fault_shared_overrun(float* out) {
  FaultShared& shared = dv::smem<FaultShared>();
  float* values = shared.values;
  values[64] = 1.0f;
  out[0] = values[0];
}
CU_EXPORT(fault_shared_overrun);

// cp.async from an address that is no multiple of 16.
extern "C" __global__ void fault_misaligned_copy(const float* in, float* out) {
  FaultShared& shared = dv::smem<FaultShared>();
  dv::cp_async16(shared.values, in + 1);
  dv::cp_commit();
  dv::cp_wait<0>();
  out[0] = shared.values[0];
}
CU_EXPORT(fault_misaligned_copy);

// Reads what cp.async brings without waiting for it.
extern "C" __global__ void fault_missing_wait(const float* in, float* out) {
  FaultShared& shared = dv::smem<FaultShared>();
  dv::cp_async16(shared.values, in);
  dv::cp_commit();
  out[0] = shared.values[0];
}
CU_EXPORT(fault_missing_wait);

// Two warps share a buffer with no barrier between writing and reading.
extern "C" __global__ void fault_missing_barrier(const float* in, float* out) {
  FaultShared& shared = dv::smem<FaultShared>();
  shared.values[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = shared.values[63 - threadIdx.x];
}
CU_EXPORT(fault_missing_barrier);
