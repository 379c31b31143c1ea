#include "gemm.h"

#include "half.h"

#include <algorithm>
#include <vector>

namespace {

float load(const void* data, int type, size_t index) {
  switch (type) {
    case REAL_64F:
      return float(static_cast<const double*>(data)[index]);
    case REAL_16F:
      return f16_to_float(static_cast<const uint16_t*>(data)[index]);
    case REAL_16BF:
      return bf16_to_float(static_cast<const uint16_t*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

void store(void* data, int type, size_t index, float value) {
  switch (type) {
    case REAL_64F:
      static_cast<double*>(data)[index] = value;
      return;
    case REAL_16F:
      static_cast<uint16_t*>(data)[index] = float_to_f16(value);
      return;
    case REAL_16BF:
      static_cast<uint16_t*>(data)[index] = float_to_bf16(value);
      return;
    default:
      static_cast<float*>(data)[index] = value;
  }
}

float rounded(float value, Rounding rounding) {
  switch (rounding) {
    case Rounding::tf32:
      return rounded_to_tf32(value);
    case Rounding::bf16:
      return rounded_to_bf16(value);
    default:
      return value;
  }
}

size_t position(const Matrix& matrix, bool transposed, int row, int column) {
  size_t leading = size_t(matrix.leading);
  return transposed ? size_t(row) * leading + size_t(column) : size_t(column) * leading + size_t(row);
}

Matrix of_batch(const Matrix& matrix, int index) {
  Matrix one = matrix;
  one.data = static_cast<char*>(matrix.data) + index * matrix.stride * (long long)size_of(matrix.type);
  return one;
}

void multiply_one(const Product& p, const Matrix& a, const Matrix& b, const Matrix& c) {
  size_t m = size_t(p.m);
  std::vector<float> left(m * size_t(p.k));
  for (int inner = 0; inner < p.k; inner++) {
    for (int i = 0; i < p.m; i++) {
      float value = load(a.data, a.type, position(a, p.transpose_a, i, inner));
      left[size_t(inner) * m + size_t(i)] = rounded(value, p.rounding);
    }
  }
  std::vector<float> sums(m);
  for (int j = 0; j < p.n; j++) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int inner = 0; inner < p.k; inner++) {
      float right = rounded(load(b.data, b.type, position(b, p.transpose_b, inner, j)), p.rounding);
      const float* column = &left[size_t(inner) * m];
      for (size_t i = 0; i < m; i++) sums[i] += column[i] * right;
    }
    for (int i = 0; i < p.m; i++) {
      size_t at = position(c, false, i, j);
      // Where beta is zero, C is not read: it may hold NaN.
      float before = p.beta == 0.0f ? 0.0f : p.beta * load(c.data, c.type, at);
      store(c.data, c.type, at, p.alpha * sums[size_t(i)] + before);
    }
  }
}

}  // namespace

size_t size_of(int type) {
  switch (type) {
    case REAL_64F:
      return 8;
    case REAL_32F:
      return 4;
    default:
      return 2;
  }
}

void multiply(const Product& product) {
  for (int i = 0; i < product.batch; i++) {
    multiply_one(product, of_batch(product.a, i), of_batch(product.b, i), of_batch(product.c, i));
  }
}
