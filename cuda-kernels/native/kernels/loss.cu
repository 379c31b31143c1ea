// Cross-entropy from logits, over vocabularies of any size.
#include "exponentials.cuh"

// losses[n] = lse[n] - logits[n, targets[n]]; both are 0 where the target is `ignored`, and the row
// is not read. A target that is no column gives NaN.
extern "C" __global__ void __launch_bounds__(512, 2)
    loss_cross_entropy(const float* logits, const long long* targets, float* losses, float* lse,
                       long long ignored, long long count, long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  long long target = targets[n];
  if (target == ignored) {
    if (threadIdx.x == 0) losses[n] = lse[n] = 0.0f;
    return;
  }
  const float* from = logits + n * columns;
  rows::shaped(columns, wide, [&](auto shape) {
    rows::Rows<decltype(shape)::W, decltype(shape)::KEEP, 1> row(columns, from);
    rows::Peak peak = rows::peak(row);
    if (threadIdx.x > 0) return;
    double log_sum = peak.log_sum();
    lse[n] = float(log_sum);
    losses[n] = target < 0 || target >= columns ? NAN : float(log_sum - from[target]);
  });
}
CU_EXPORT(loss_cross_entropy);

// dlogits = scale * (softmax(logits) - onehot(target)), 0 in ignored rows; dlogits may be logits.
extern "C" __global__ void __launch_bounds__(512, 2)
    loss_cross_entropy_gradient(const float* logits, const long long* targets, const float* lse,
                                float* dlogits, long long ignored, long long count,
                                long long columns, float scale, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  long long target = targets[n];
  bool skip = target == ignored;
  float log_sum = lse[n];
  const float* from = logits + n * columns;
  float* to = dlogits + n * columns;
  auto body = [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    for (long long c = threadIdx.x * W; c < columns; c += blockDim.x * W) {
      float v[W] = {};
      if (!skip) {
        rows::load<W>(v, from + c);
        for (int k = 0; k < W; k++) {
          // e^d - 1 as one function: near 0 the difference of the two has few digits left.
          v[k] = scale * (c + k == target ? expm1f(v[k] - log_sum)
                                          : rows::exp_difference(v[k], log_sum));
        }
      }
      rows::store<W>(to + c, v);
    }
  };
  if (wide) body(rows::Shape<4, false>{});
  else body(rows::Shape<1, false>{});
}
CU_EXPORT(loss_cross_entropy_gradient);
