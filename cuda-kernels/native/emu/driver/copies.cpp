// Copies and fills. Ranges are checked at the call and again when the work runs: memory may be freed between.
#include "state.h"

#include <algorithm>
#include <cstring>

namespace {

CUresult not_device_memory(CUresult result, const char* call, CUdeviceptr address, size_t bytes) {
  char text[120];
  snprintf(text, sizeof text, "%zu bytes at %#llx are not (all) device memory", bytes, address);
  return explain(result, call, text);
}

// Wraps work on device ranges: an address that is gone by then is an illegal one.
Work guarded(const char* call, CUdeviceptr address, size_t bytes, std::function<void()> work) {
  Context* context = current_context;
  return [=] {
    if (!is_device_memory(*context, address, bytes)) {
      return not_device_memory(CUDA_ERROR_ILLEGAL_ADDRESS, call, address, bytes);
    }
    work();
    return CUresult(CUDA_SUCCESS);
  };
}

void* host(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

CUresult to_device(CUdeviceptr target, const void* source, size_t bytes, Stream& stream, const char* call) {
  if (is_pinned(*current_context, source, bytes)) {
    return enqueue(stream, guarded(call, target, bytes, [=] { memcpy(host(target), source, bytes); }));
  }
  // Pageable memory is copied before the call returns.
  auto* begin = static_cast<const char*>(source);
  auto staged = std::make_shared<std::vector<char>>(begin, begin + bytes);
  return enqueue(stream, guarded(call, target, bytes, [=] { memcpy(host(target), staged->data(), bytes); }));
}

CUresult to_host(void* target, CUdeviceptr source, size_t bytes, Stream& stream, const char* call) {
  Work copy = guarded(call, source, bytes, [=] { memcpy(target, host(source), bytes); });
  if (is_pinned(*current_context, target, bytes)) return enqueue(stream, copy);
  // A copy to pageable memory returns when it is done.
  if (CUresult bad = enqueue(stream, copy)) return bad;
  return drain(stream);
}

CUresult within_device(CUdeviceptr target, CUdeviceptr source, size_t bytes, Stream& stream, const char* call) {
  Context* context = current_context;
  Work copy = guarded(call, target, bytes, [=] { memmove(host(target), host(source), bytes); });
  return enqueue(stream, [=] {
    if (!is_device_memory(*context, source, bytes)) {
      return not_device_memory(CUDA_ERROR_ILLEGAL_ADDRESS, call, source, bytes);
    }
    return copy();
  });
}

template <class T>
CUresult fill(CUdeviceptr target, T value, size_t count, void* handle, const char* call) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  size_t bytes = count * sizeof(T);
  if (target % sizeof(T)) return explain(CUDA_ERROR_INVALID_VALUE, call, "the address is not aligned");
  if (!is_device_memory(*current_context, target, bytes)) {
    return not_device_memory(CUDA_ERROR_INVALID_VALUE, call, target, bytes);
  }
  return enqueue(*stream, guarded(call, target, bytes, [=] { std::fill_n(static_cast<T*>(host(target)), count, value); }));
}

}  // namespace

// ---- copies ---------------------------------------------------------------------------------------------

API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, size_t bytes, void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (bytes == 0) return CUDA_SUCCESS;
  if (!source || !is_device_memory(*current_context, target, bytes)) {
    return not_device_memory(CUDA_ERROR_INVALID_VALUE, "cuMemcpyHtoD", target, bytes);
  }
  return to_device(target, source, bytes, *stream, "cuMemcpyHtoD");
}

API CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void* source, size_t bytes) {
  REQUIRE_CONTEXT;
  if (CUresult bad = cuMemcpyHtoDAsync_v2(target, source, bytes, nullptr)) return bad;
  return drain(current_context->legacy);
}

API CUresult cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t bytes, void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (bytes == 0) return CUDA_SUCCESS;
  if (!target || !is_device_memory(*current_context, source, bytes)) {
    return not_device_memory(CUDA_ERROR_INVALID_VALUE, "cuMemcpyDtoH", source, bytes);
  }
  return to_host(target, source, bytes, *stream, "cuMemcpyDtoH");
}

API CUresult cuMemcpyDtoH_v2(void* target, CUdeviceptr source, size_t bytes) {
  REQUIRE_CONTEXT;
  if (CUresult bad = cuMemcpyDtoHAsync_v2(target, source, bytes, nullptr)) return bad;
  return drain(current_context->legacy);
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (bytes == 0) return CUDA_SUCCESS;
  for (CUdeviceptr address : {target, source}) {
    if (is_device_memory(*current_context, address, bytes)) continue;
    return not_device_memory(CUDA_ERROR_INVALID_VALUE, "cuMemcpyDtoD", address, bytes);
  }
  return within_device(target, source, bytes, *stream, "cuMemcpyDtoD");
}

API CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
  return cuMemcpyDtoDAsync_v2(target, source, bytes, nullptr);
}

// ---- fills ----------------------------------------------------------------------------------------------

API CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, void* stream) {
  return fill(target, value, count, stream, "cuMemsetD8");
}

API CUresult cuMemsetD16Async(CUdeviceptr target, unsigned short value, size_t count, void* stream) {
  return fill(target, value, count, stream, "cuMemsetD16");
}

API CUresult cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, void* stream) {
  return fill(target, value, count, stream, "cuMemsetD32");
}

API CUresult cuMemsetD8_v2(CUdeviceptr target, unsigned char value, size_t count) {
  return cuMemsetD8Async(target, value, count, nullptr);
}

API CUresult cuMemsetD16_v2(CUdeviceptr target, unsigned short value, size_t count) {
  return cuMemsetD16Async(target, value, count, nullptr);
}

API CUresult cuMemsetD32_v2(CUdeviceptr target, unsigned value, size_t count) {
  return cuMemsetD32Async(target, value, count, nullptr);
}
