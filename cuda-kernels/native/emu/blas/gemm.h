// Products of column-major matrices as cuBLAS defines them: C = alpha op(A) op(B) + beta C.
#pragma once
#include <cstddef>

enum Type { REAL_32F = 0, REAL_64F = 1, REAL_16F = 2, REAL_16BF = 14 };

// What operands are rounded to before they are multiplied.
enum class Rounding { none, tf32, bf16 };

struct Matrix {
  void* data;
  int type;
  int leading;        // elements from one column to the next
  long long stride;   // elements from one matrix of a batch to the next
};

struct Product {
  bool transpose_a;
  bool transpose_b;
  int m;
  int n;
  int k;
  float alpha;
  float beta;
  Matrix a;
  Matrix b;
  Matrix c;
  int batch;
  Rounding rounding;
};

size_t size_of(int type);
void multiply(const Product& product);
