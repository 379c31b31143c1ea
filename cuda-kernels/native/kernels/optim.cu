// Updates of parameters in place, and what clipping and sparse updates need to know of gradients.
#include "dev.cuh"

namespace optim {

using namespace dv;

// One AdamW step. scale: of the gradient; rate: learning rate over the first moment's correction; root_scale: 1
// over the root of the second's; shrink: learning rate times weight decay. Corrections come in float64 from
// the caller; the update is computed in float and subtracted in one rounding.
extern "C" __global__ void __launch_bounds__(256)
    optim_adamw(float* parameter, const float* grad, float* m, float* v, long long count, float scale, float beta1,
                float rest1, float beta2, float rest2, float rate, float root_scale, float eps, float shrink) {
  long long i = global_index();
  if (i >= count) return;
  float g = scale * grad[i];
  float first = fmaf(beta1, m[i], rest1 * g);
  float second = fmaf(beta2, v[i], rest2 * g * g);
  float root = fmaf(sqrtf(second), root_scale, eps);
  float p = parameter[i];
  m[i] = first;
  v[i] = second;
  parameter[i] = p - fmaf(shrink, p, rate * first / root);
}
CU_EXPORT(optim_adamw);

// parameter -= rate * (scale * grad + decay * parameter), with momentum where there is a buffer.
extern "C" __global__ void __launch_bounds__(256)
    optim_sgd(float* parameter, const float* grad, float* buffer, long long count, float scale, float rate,
              float momentum, float decay) {
  long long i = global_index();
  if (i >= count) return;
  float p = parameter[i];
  float g = fmaf(decay, p, scale * grad[i]);
  if (buffer != nullptr) {
    g = fmaf(momentum, buffer[i], g);
    buffer[i] = g;
  }
  parameter[i] = fmaf(-rate, g, p);
}
CU_EXPORT(optim_sgd);

// Sets flags[slice], which are 0, to 1 where the slice holds anything but zeros of either sign: all who write
// write the same.
extern "C" __global__ void __launch_bounds__(256)
    optim_non_zero(const float* x, long long width, unsigned char* flags) {
  const float* slice = x + blockIdx.x * width;
  long long step = (long long)gridDim.y * 256;
  bool found = false;
#pragma unroll 4
  for (long long i = blockIdx.y * 256 + threadIdx.x; i < width; i += step) {
    found |= (__float_as_uint(slice[i]) & 0x7fffffffu) != 0;
  }
  if (found) flags[blockIdx.x] = 1;
}
CU_EXPORT(optim_non_zero);

DV double sum_of_block(double value) {
  __shared__ double of_warp[8];
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(all_lanes, value, offset);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < 8; warp++) value += of_warp[warp];
  return value;
}

// partial[block]: the sum of the squares of this block's chunk, in float64, where squares are exact.
extern "C" __global__ void __launch_bounds__(256)
    optim_squares(const float* x, long long count, long long chunk, double* partial) {
  long long from = blockIdx.x * chunk;
  long long to = from + chunk < count ? from + chunk : count;
  double value = 0;
#pragma unroll 8
  for (long long i = from + threadIdx.x; i < to; i += 256) {
    double element = x[i];
    value = fma(element, element, value);
  }
  value = sum_of_block(value);
  if (threadIdx.x == 0) partial[blockIdx.x] = value;
}
CU_EXPORT(optim_squares);

// out[0]: the sum of all partial sums, by one block.
extern "C" __global__ void __launch_bounds__(256)
    optim_squares_total(const double* partial, long long count, double* out) {
  double value = 0;
  for (long long i = threadIdx.x; i < count; i += 256) value += partial[i];
  value = sum_of_block(value);
  if (threadIdx.x == 0) out[0] = value;
}
CU_EXPORT(optim_squares_total);

}  // namespace optim
