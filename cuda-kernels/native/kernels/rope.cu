// Rotary position embedding, pairs by halves.
#include "dev.cuh"

namespace rope {

using namespace dv;

constexpr int heads_of_thread = 8;

// x[B, T, H, D] with strides of its own but for the last dimension, out contiguous. A thread has one pair of
// dimensions, or one dimension that is only copied, of one position and eight heads: angle, sine and cosine
// are taken in float64, once for all of them. scale_sin is negative to rotate back.
extern "C" __global__ void __launch_bounds__(128)
    rope_rotate(const float* x, const long long* positions, const double* frequencies, float* out, long long rows,
                long long length, int heads, int depth, int half, long long stride_batch, long long stride_row,
                long long stride_head, double scale_cos, double scale_sin) {
  int units = depth - half;
  long long unit = global_index();
  if (unit >= rows * units) return;
  long long row = unit / units;
  int i = int(unit - row * units);
  // First, while little else needs to be kept.
  double sine = 0;
  double cosine = 0;
  if (i < half) sincos(double(positions[row]) * frequencies[i], &sine, &cosine);
  float s = float(scale_sin * sine);
  float c = float(scale_cos * cosine);
  int first = blockIdx.y * heads_of_thread;
  int last = first + heads_of_thread < heads ? first + heads_of_thread : heads;
  const float* source = x + row / length * stride_batch + row % length * stride_row;
  float* target = out + row * heads * depth;
  if (i >= half) {
    int d = half + i;
    for (int h = first; h < last; h++) target[(long long)h * depth + d] = source[h * stride_head + d];
    return;
  }
#pragma unroll 4
  for (int h = first; h < last; h++) {
    float lower = source[h * stride_head + i];
    float upper = source[h * stride_head + i + half];
    target[(long long)h * depth + i] = fmaf(lower, c, -(upper * s));
    target[(long long)h * depth + i + half] = fmaf(upper, c, lower * s);
  }
}
CU_EXPORT(rope_rotate);

}  // namespace rope
