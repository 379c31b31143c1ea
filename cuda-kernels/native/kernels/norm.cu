// Normalisation of rows: LayerNorm and RMSNorm, which has no mean and no shift.
#include "rows.cuh"

namespace {

// Pointers are to the row.
template <int W, bool KEEP, bool CENTERED>
DV void norm_row(const float* x, const float* r, const float* w, const float* b, float eps,
                 float* sum, float* y, float* mean, float* rstd, long long columns) {
  rows::Rows<W, KEEP, 1> row(columns, x);
  if (r) {
    row.each([&](long long c, float (&v)[1][W]) {
      float other[W];
      rows::load<W>(other, r + c);
      for (int k = 0; k < W; k++) v[0][k] += other[k];
      rows::store<W>(sum + c, v[0]);
    });
    row.at[0] = sum;  // each thread reads again what it wrote itself
  }
  double center = 0;
  if constexpr (CENTERED) {
    row.each([&](long long, float (&v)[1][W]) {
      for (int k = 0; k < W; k++) center += v[0][k];
    });
    center = rows::team_sum(center) / columns;
  }
  double squares = 0;
  row.each([&](long long, float (&v)[1][W]) {
    for (int k = 0; k < W; k++) {
      double delta = v[0][k] - center;
      squares += delta * delta;
    }
  });
  double scale = 1 / sqrt(rows::team_sum(squares) / columns + eps);
  if (threadIdx.x == 0) {
    *rstd = float(scale);
    if constexpr (CENTERED) *mean = float(center);
  }
  // Where the scale is no normal float32 number a part of it goes to the elements first.
  float part = scale < 0x1p-100 ? 0x1p-64f : scale > 0x1p100 ? 0x1p64f : 1.0f;
  float factor = float(scale / part);
  rows::Pair middle(center);
  row.each([&](long long c, float (&v)[1][W]) {
    float weight[W];
    float shift[W];
    float out[W];
    rows::load<W>(weight, w + c);
    if constexpr (CENTERED) rows::load<W>(shift, b + c);
    for (int k = 0; k < W; k++) {
      float delta = CENTERED ? middle.from(v[0][k]) : v[0][k];
      out[k] = delta * part * factor * weight[k];
      if constexpr (CENTERED) out[k] += shift[k];
    }
    rows::store<W>(y + c, out);
  });
}

template <bool CENTERED>
DV void norm_rows(const float* x, const float* r, const float* w, const float* b, float eps,
                  float* sum, float* y, float* mean, float* rstd, long long count,
                  long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  long long at = n * columns;
  rows::shaped(columns, wide, [&](auto shape) {
    using S = decltype(shape);
    norm_row<S::W, S::KEEP, CENTERED>(x + at, r ? r + at : r, w, b, eps, sum ? sum + at : sum,
                                      y + at, mean ? mean + n : mean, rstd + n, columns);
  });
}

// With g = grad * w and h the normalised x: dx = rstd * (g - mean(g) - h * mean(g * h)), without
// mean(g) where nothing was centred.
template <bool CENTERED>
DV void norm_gradient_rows(const float* x, const float* w, const float* mean, const float* rstd,
                           const float* grad, float* dx, int add, long long count,
                           long long columns, int wide) {
  long long n = rows::mine();
  if (n >= count) return;
  float center = CENTERED ? mean[n] : 0.0f;
  float scale = rstd[n];
  float* out = dx + n * columns;
  rows::shaped(columns, wide, [&](auto shape) {
    constexpr int W = decltype(shape)::W;
    rows::Rows<W, decltype(shape)::KEEP, 2> row(columns, x + n * columns, grad + n * columns);
    double sum = 0;
    double product = 0;
    row.each([&](long long c, float (&v)[2][W]) {
      float weight[W];
      rows::load<W>(weight, w + c);
      for (int k = 0; k < W; k++) {
        float g = v[1][k] * weight[k];
        sum += g;
        product += g * ((v[0][k] - center) * scale);
      }
    });
    rows::team_sum(sum, product);
    float mean_g = CENTERED ? float(sum / columns) : 0.0f;
    float mean_gh = float(product / columns);
    row.each([&](long long c, float (&v)[2][W]) {
      float weight[W];
      float value[W];
      rows::load<W>(weight, w + c);
      for (int k = 0; k < W; k++) {
        float h = (v[0][k] - center) * scale;
        value[k] = scale * (v[1][k] * weight[k] - mean_g - h * mean_gh);
      }
      if (add) {
        float old[W];
        rows::load<W>(old, out + c);
        for (int k = 0; k < W; k++) value[k] = __fadd_rn(old[k], value[k]);
      }
      rows::store<W>(out + c, value);
    });
  });
}

}  // namespace

// x, r, sum, y [count, columns]; w, b [columns]; mean, rstd [count]. r and sum may be null: then
// nothing is added.
extern "C" __global__ void __launch_bounds__(512)
    norm_layer(const float* x, const float* r, const float* w, const float* b, float* sum, float* y,
               float* mean, float* rstd, long long count, long long columns, float eps, int wide) {
  norm_rows<true>(x, r, w, b, eps, sum, y, mean, rstd, count, columns, wide);
}
CU_EXPORT(norm_layer);

extern "C" __global__ void __launch_bounds__(512)
    norm_rms(const float* x, const float* r, const float* w, float* sum, float* y, float* rstd,
             long long count, long long columns, float eps, int wide) {
  norm_rows<false>(x, r, w, nullptr, eps, sum, y, nullptr, rstd, count, columns, wide);
}
CU_EXPORT(norm_rms);

// add: dx holds a gradient already
extern "C" __global__ void __launch_bounds__(512)
    norm_layer_gradient(const float* x, const float* w, const float* mean, const float* rstd,
                        const float* grad, float* dx, long long count, long long columns, int add,
                        int wide) {
  norm_gradient_rows<true>(x, w, mean, rstd, grad, dx, add, count, columns, wide);
}
CU_EXPORT(norm_layer_gradient);

extern "C" __global__ void __launch_bounds__(512)
    norm_rms_gradient(const float* x, const float* w, const float* rstd, const float* grad,
                      float* dx, long long count, long long columns, int add, int wide) {
  norm_gradient_rows<false>(x, w, nullptr, rstd, grad, dx, add, count, columns, wide);
}
CU_EXPORT(norm_rms_gradient);

// Sums over rows for the gradients of w and b. Blocks of 32 x 8 threads: blockIdx.x has 32 columns,
// blockIdx.y a run of `run` rows; each thread adds every eighth row. One row of parts [runs, columns]
// for each run; part_w or part_b may be null, mean is null for RMSNorm.
extern "C" __global__ void __launch_bounds__(256)
    norm_columns(const float* x, const float* mean, const float* rstd, const float* grad,
                 float* part_w, float* part_b, long long count, long long columns, long long run) {
  __shared__ float sums_w[8][32];
  __shared__ float sums_b[8][32];
  long long c = (long long)blockIdx.x * 32 + threadIdx.x;
  long long from = blockIdx.y * run;
  long long to = from + run < count ? from + run : count;
  float sum_w = 0;
  float sum_b = 0;
  if (c < columns) {
    for (long long n = from + threadIdx.y; n < to; n += 8) {
      float g = grad[n * columns + c];
      sum_b += g;
      if (part_w) sum_w += g * ((x[n * columns + c] - (mean ? mean[n] : 0.0f)) * rstd[n]);
    }
  }
  sums_w[threadIdx.y][threadIdx.x] = sum_w;
  sums_b[threadIdx.y][threadIdx.x] = sum_b;
  __syncthreads();
  if (threadIdx.y > 1 || c >= columns) return;
  float* part = threadIdx.y == 0 ? part_w : part_b;
  if (!part) return;
  double sum = 0;
  for (int i = 0; i < 8; i++) sum += threadIdx.y == 0 ? sums_w[i][threadIdx.x] : sums_b[i][threadIdx.x];
  part[blockIdx.y * columns + c] = float(sum);
}
CU_EXPORT(norm_columns);

// out[c] = sum of parts[0 .. runs)[c]; blocks as above, blockIdx.y = 1 has the second pair
extern "C" __global__ void __launch_bounds__(256)
    norm_columns_sum(const float* first_parts, const float* second_parts, float* first,
                     float* second, long long runs, long long columns) {
  __shared__ double sums[8][32];
  const float* parts = blockIdx.y == 0 ? first_parts : second_parts;
  float* out = blockIdx.y == 0 ? first : second;
  long long c = (long long)blockIdx.x * 32 + threadIdx.x;
  double sum = 0;
  if (c < columns) {
    for (long long i = threadIdx.y; i < runs; i += 8) sum += parts[i * columns + c];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || c >= columns) return;
  for (int i = 1; i < 8; i++) sum += sums[i][threadIdx.x];
  out[c] = float(sum);
}
CU_EXPORT(norm_columns_sum);
