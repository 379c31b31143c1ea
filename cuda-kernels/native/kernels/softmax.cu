// Softmax and the log of it over rows, of any length.
#include "exponentials.cuh"

// All matrices are [count, columns]. A row that is -infinity everywhere gives zeros.
extern "C" __global__ void __launch_bounds__(512, 2)
    softmax_rows(const float* x, float* out, long long count, long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  rows::shaped(columns, wide, [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    rows::Rows<W, decltype(shape)::KEEP, 1> row(columns, x + n * columns);
    rows::Peak peak = rows::peak(row);
    float inverse = float(1 / peak.sum);
    row.each([&](long long c, float (&v)[1][W]) {
      for (int k = 0; k < W; k++) {
        float e = peak.max == -INFINITY ? 0.0f : rows::exp_difference(v[0][k], peak.max);
        v[0][k] = e == 0.0f ? 0.0f : e * inverse;
      }
      rows::store<W>(out + n * columns + c, v[0]);
    });
  });
}
CU_EXPORT(softmax_rows);

// dx = y * (grad - sum(y * grad))
extern "C" __global__ void __launch_bounds__(512, 2)
    softmax_gradient(const float* y, const float* grad, float* dx, long long count,
                     long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  rows::shaped(columns, wide, [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    rows::Rows<W, decltype(shape)::KEEP, 2> row(columns, y + n * columns, grad + n * columns);
    double dot = 0;
    row.each([&](long long, float (&v)[2][W]) {
      for (int k = 0; k < W; k++) dot += double(v[0][k]) * v[1][k];
    });
    rows::Pair all(rows::team_sum(dot));
    row.each([&](long long c, float (&v)[2][W]) {
      float value[W];
      for (int k = 0; k < W; k++) value[k] = v[0][k] * all.from(v[1][k]);
      rows::store<W>(dx + n * columns + c, value);
    });
  });
}
CU_EXPORT(softmax_gradient);

// out = x - log(sum(exp(x)))
extern "C" __global__ void __launch_bounds__(512, 2)
    softmax_log_rows(const float* x, float* out, long long count, long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  rows::shaped(columns, wide, [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    rows::Rows<W, decltype(shape)::KEEP, 1> row(columns, x + n * columns);
    rows::Pair log_sum(rows::peak(row).log_sum());
    row.each([&](long long c, float (&v)[1][W]) {
      for (int k = 0; k < W; k++) {
        if (v[0][k] != -INFINITY) v[0][k] = log_sum.from(v[0][k]);
      }
      rows::store<W>(out + n * columns + c, v[0]);
    });
  });
}
CU_EXPORT(softmax_log_rows);

// dx = grad - exp(y) * sum(grad)
extern "C" __global__ void __launch_bounds__(512, 1)
    softmax_log_gradient(const float* y, const float* grad, float* dx, long long count,
                         long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  rows::shaped(columns, wide, [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    rows::Rows<W, decltype(shape)::KEEP, 2> row(columns, y + n * columns, grad + n * columns);
    double sum = 0;
    row.each([&](long long, float (&v)[2][W]) {
      for (int k = 0; k < W; k++) sum += v[1][k];
    });
    float all = float(rows::team_sum(sum));
    row.each([&](long long c, float (&v)[2][W]) {
      float value[W];
      for (int k = 0; k < W; k++) value[k] = v[1][k] - expf(v[0][k]) * all;
      rows::store<W>(dx + n * columns + c, value);
    });
  });
}
CU_EXPORT(softmax_log_gradient);

// out [count]
extern "C" __global__ void __launch_bounds__(512, 2)
    softmax_log_sum(const float* x, float* out, long long count, long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  rows::shaped(columns, wide, [&](auto shape) {
    rows::Rows<decltype(shape)::W, decltype(shape)::KEEP, 1> row(columns, x + n * columns);
    rows::Peak peak = rows::peak(row);
    if (threadIdx.x == 0) out[n] = float(peak.log_sum());
  });
}
CU_EXPORT(softmax_log_sum);
