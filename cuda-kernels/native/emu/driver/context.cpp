// Contexts: the primary one of each device, and those that a program makes.
#include "settings.h"
#include "state.h"

namespace {

thread_local std::vector<Context*> context_stack;

Context* primary_of(CUdevice device) {
  static Context* primaries[max_devices];
  if (!primaries[device]) {
    primaries[device] = new Context(device);
    primaries[device]->primary = true;
    all_contexts().insert(primaries[device]);
  }
  return primaries[device];
}

CUresult check_device(CUdevice device) {
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  return device >= 0 && device < settings().devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

}  // namespace

// ---- primary contexts -----------------------------------------------------------------------------------

API CUresult cuDevicePrimaryCtxRetain(void** context, CUdevice device) {
  Lock lock;
  if (CUresult bad = check_device(device)) return bad;
  Context* primary = primary_of(device);
  primary->retained++;
  *context = primary;
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  Lock lock;
  if (CUresult bad = check_device(device)) return bad;
  Context* primary = primary_of(device);
  if (primary->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  primary->retained--;
  if (primary->retained == 0) destroy_resources(*primary);
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  Lock lock;
  if (CUresult bad = check_device(device)) return bad;
  destroy_resources(*primary_of(device));
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  Lock lock;
  if (CUresult bad = check_device(device)) return bad;
  *flags = 0;
  *active = primary_of(device)->retained > 0;
  return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned) { return check_device(device); }

// ---- contexts of one's own --------------------------------------------------------------------------------

API CUresult cuCtxCreate_v2(void** context, unsigned, CUdevice device) {
  Lock lock;
  if (CUresult bad = check_device(device)) return bad;
  current_context = new Context(device);
  context_stack.push_back(current_context);
  all_contexts().insert(current_context);
  *context = current_context;
  return CUDA_SUCCESS;
}

API CUresult cuCtxDestroy_v2(void* handle) {
  Lock lock;
  auto* context = static_cast<Context*>(handle);
  if (!all_contexts().count(context) || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
  destroy_resources(*context);
  all_contexts().erase(context);
  if (current_context == context) current_context = nullptr;
  delete context;
  return CUDA_SUCCESS;
}

// ---- the current one ----------------------------------------------------------------------------------------

API CUresult cuCtxSetCurrent(void* handle) {
  Lock lock;
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  auto* context = static_cast<Context*>(handle);
  if (context && !all_contexts().count(context)) return CUDA_ERROR_INVALID_CONTEXT;
  current_context = context;
  return CUDA_SUCCESS;
}

API CUresult cuCtxGetCurrent(void** context) {
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  *context = current_context;
  return CUDA_SUCCESS;
}

API CUresult cuCtxPushCurrent_v2(void* context) {
  Lock lock;
  Context* before = current_context;
  if (CUresult bad = cuCtxSetCurrent(context)) return bad;
  context_stack.push_back(before);
  return CUDA_SUCCESS;
}

API CUresult cuCtxPopCurrent_v2(void** context) {
  Lock lock;
  if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = current_context;
  Context* before = context_stack.back();
  context_stack.pop_back();
  current_context = before == current_context || !all_contexts().count(before) ? nullptr : before;
  return CUDA_SUCCESS;
}

API CUresult cuCtxGetDevice(CUdevice* device) {
  Lock lock;
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!current_context) return CUDA_ERROR_INVALID_CONTEXT;
  *device = current_context->device;
  return CUDA_SUCCESS;
}

API CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  REQUIRE_CONTEXT;
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize() {
  REQUIRE_CONTEXT;
  if (CUresult bad = drain_context(*current_context)) return bad;
  return check_canaries(*current_context, "cuCtxSynchronize");
}
