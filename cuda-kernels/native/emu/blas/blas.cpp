// libcublas.so.12, emulated: products of matrices on host memory, in the order of the emulated streams.
#include "gemm.h"

#include <cstdint>
#include <cstdio>
#include <dlfcn.h>
#include <set>
#include <mutex>

#define API extern "C" __attribute__((visibility("default")))

namespace {

enum Status {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  ALLOC_FAILED = 3,
  INVALID_VALUE = 7,
  ARCH_MISMATCH = 8,
  MAPPING_ERROR = 11,
  EXECUTION_FAILED = 13,
  INTERNAL_ERROR = 14,
  NOT_SUPPORTED = 15,
  LICENSE_ERROR = 16
};

enum ComputeType { COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69, COMPUTE_32F_FAST_16BF = 75, COMPUTE_32F_FAST_TF32 = 77 };

constexpr int tf32_math = 3;

struct Handle {
  void* stream = nullptr;
  int math_mode = 0;
};

std::mutex handles_lock;
std::set<void*> handles;

// The emulated driver, which must be there before the first handle.
int (*enqueue)(void* stream, int (*work)(void*), void* argument);
int (*is_device)(unsigned long long address, size_t bytes);

bool bind_driver() {
  if (enqueue) return true;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (!driver) driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (!driver) return false;
  is_device = reinterpret_cast<decltype(is_device)>(dlsym(driver, "cuemu_is_device"));
  enqueue = reinterpret_cast<decltype(enqueue)>(dlsym(driver, "cuemu_enqueue"));
  return enqueue && is_device;
}

Handle* handle_of(void* handle) {
  std::lock_guard<std::mutex> guard(handles_lock);
  return handles.count(handle) ? static_cast<Handle*>(handle) : nullptr;
}

bool known_type(int type) {
  return type == REAL_32F || type == REAL_64F || type == REAL_16F || type == REAL_16BF;
}

// Is a matrix of so many stored rows and columns, and its whole batch, device memory?
bool on_device(const Matrix& matrix, int rows, int columns, int batch) {
  if (rows == 0 || columns == 0 || batch == 0) return true;
  long long elements = (long long)(batch - 1) * matrix.stride + (long long)(columns - 1) * matrix.leading + rows;
  return is_device(reinterpret_cast<unsigned long long>(matrix.data), size_t(elements) * size_of(matrix.type));
}

bool operands_on_device(const Product& p) {
  return on_device(p.a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.batch) &&
         on_device(p.b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.batch) &&
         on_device(p.c, p.m, p.n, p.batch);
}

bool sizes_valid(const Product& p) {
  if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0) return false;
  int rows_a = p.transpose_a ? p.k : p.m;
  int rows_b = p.transpose_b ? p.n : p.k;
  return p.a.leading >= rows_a && p.b.leading >= rows_b && p.c.leading >= p.m && p.a.leading > 0 && p.b.leading > 0 &&
         p.c.leading > 0;
}

int run(void* argument) {
  auto* product = static_cast<Product*>(argument);
  bool alive = operands_on_device(*product);
  if (alive) multiply(*product);
  delete product;
  constexpr int illegal_address = 700;
  return alive ? 0 : illegal_address;
}

int gemm(void* handle_pointer, const Product& product) {
  Handle* handle = handle_of(handle_pointer);
  if (!handle) return NOT_INITIALIZED;
  if (!sizes_valid(product)) return INVALID_VALUE;
  if (!known_type(product.a.type) || !known_type(product.b.type) || !known_type(product.c.type)) return NOT_SUPPORTED;
  if (!operands_on_device(product)) {
    fprintf(stderr, "cuemu: cublas: an operand of a product is not (fully) in device memory\n");
    return EXECUTION_FAILED;
  }
  auto* queued = new Product(product);
  if (enqueue(handle->stream, run, queued) == 0) return SUCCESS;
  delete queued;
  return EXECUTION_FAILED;
}

Matrix matrix(const void* data, int type, int leading, long long stride) {
  return {const_cast<void*>(data), type, leading, stride};
}

// alpha and beta are read at the call: the pointer mode is the host's.
float scalar(const void* value) { return *static_cast<const float*>(value); }

Rounding single_precision(void* handle_pointer) {
  Handle* handle = handle_of(handle_pointer);
  return handle && handle->math_mode == tf32_math ? Rounding::tf32 : Rounding::none;
}

bool rounding_of(int compute_type, Rounding& rounding) {
  switch (compute_type) {
    case COMPUTE_32F:
    case COMPUTE_32F_PEDANTIC:
      rounding = Rounding::none;
      return true;
    case COMPUTE_32F_FAST_TF32:
      rounding = Rounding::tf32;
      return true;
    case COMPUTE_32F_FAST_16BF:
      rounding = Rounding::bf16;
      return true;
    default:
      return false;
  }
}

}  // namespace

// ---- handles ----------------------------------------------------------------------------------------------

API int cublasCreate_v2(void** handle) {
  if (!bind_driver()) return NOT_INITIALIZED;
  std::lock_guard<std::mutex> guard(handles_lock);
  *handle = new Handle;
  handles.insert(*handle);
  return SUCCESS;
}

API int cublasDestroy_v2(void* handle) {
  std::lock_guard<std::mutex> guard(handles_lock);
  if (!handles.erase(handle)) return NOT_INITIALIZED;
  delete static_cast<Handle*>(handle);
  return SUCCESS;
}

API int cublasGetVersion_v2(void*, int* version) {
  *version = 120600;
  return SUCCESS;
}

API int cublasSetStream_v2(void* handle, void* stream) {
  Handle* known = handle_of(handle);
  if (!known) return NOT_INITIALIZED;
  known->stream = stream;
  return SUCCESS;
}

API int cublasGetStream_v2(void* handle, void** stream) {
  Handle* known = handle_of(handle);
  if (!known) return NOT_INITIALIZED;
  *stream = known->stream;
  return SUCCESS;
}

API int cublasSetMathMode(void* handle, int mode) {
  Handle* known = handle_of(handle);
  if (!known) return NOT_INITIALIZED;
  known->math_mode = mode;
  return SUCCESS;
}

API int cublasGetMathMode(void* handle, int* mode) {
  Handle* known = handle_of(handle);
  if (!known) return NOT_INITIALIZED;
  *mode = known->math_mode;
  return SUCCESS;
}

API int cublasSetPointerMode_v2(void* handle, int mode) {
  if (!handle_of(handle)) return NOT_INITIALIZED;
  return mode == 0 ? SUCCESS : NOT_SUPPORTED;
}

API int cublasSetWorkspace_v2(void* handle, void*, size_t) { return handle_of(handle) ? SUCCESS : NOT_INITIALIZED; }

// ---- products ---------------------------------------------------------------------------------------------

API int cublasSgemm_v2(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
                       const float* a, int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
  return gemm(handle, {transpose_a != 0, transpose_b != 0, m, n, k, *alpha, *beta, matrix(a, REAL_32F, lda, 0),
                       matrix(b, REAL_32F, ldb, 0), matrix(c, REAL_32F, ldc, 0), 1, single_precision(handle)});
}

API int cublasSgemmStridedBatched(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                                  const float* alpha, const float* a, int lda, long long stride_a, const float* b,
                                  int ldb, long long stride_b, const float* beta, float* c, int ldc,
                                  long long stride_c, int batch) {
  return gemm(handle, {transpose_a != 0, transpose_b != 0, m, n, k, *alpha, *beta, matrix(a, REAL_32F, lda, stride_a),
                       matrix(b, REAL_32F, ldb, stride_b), matrix(c, REAL_32F, ldc, stride_c), batch,
                       single_precision(handle)});
}

API int cublasGemmStridedBatchedEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                                   const void* alpha, const void* a, int type_a, int lda, long long stride_a,
                                   const void* b, int type_b, int ldb, long long stride_b, const void* beta, void* c,
                                   int type_c, int ldc, long long stride_c, int batch, int compute_type, int) {
  Rounding rounding;
  if (!rounding_of(compute_type, rounding)) return NOT_SUPPORTED;
  return gemm(handle, {transpose_a != 0, transpose_b != 0, m, n, k, scalar(alpha), scalar(beta),
                       matrix(a, type_a, lda, stride_a), matrix(b, type_b, ldb, stride_b),
                       matrix(c, type_c, ldc, stride_c), batch, rounding});
}

API int cublasGemmEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
                     const void* a, int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c,
                     int type_c, int ldc, int compute_type, int algorithm) {
  return cublasGemmStridedBatchedEx(handle, transpose_a, transpose_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b,
                                    ldb, 0, beta, c, type_c, ldc, 0, 1, compute_type, algorithm);
}

// ---- errors -----------------------------------------------------------------------------------------------

API const char* cublasGetStatusName(int status) {
  switch (status) {
    case SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case LICENSE_ERROR:
      return "CUBLAS_STATUS_LICENSE_ERROR";
    default:
      return "unknown status";
  }
}

API const char* cublasGetStatusString(int status) { return cublasGetStatusName(status); }
