// The driver itself and the devices that it finds.
#include "settings.h"
#include "state.h"

#include <cstring>

namespace {

CUresult check_device(CUdevice device) {
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  bool exists = device >= 0 && device < settings().devices;
  return exists ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

int attribute(int which, CUdevice device) {
  switch (which) {
    case MAX_THREADS_PER_BLOCK:
    case MAX_BLOCK_DIM_X:
    case MAX_BLOCK_DIM_Y:
      return int(max_threads_per_block);
    case MAX_BLOCK_DIM_Z:
      return int(max_block_z);
    case MAX_GRID_DIM_X:
      return int(max_grid_x);
    case MAX_GRID_DIM_Y:
    case MAX_GRID_DIM_Z:
      return int(max_grid_yz);
    case MAX_SHARED_MEMORY_PER_BLOCK:
      return shared_per_block;
    case TOTAL_CONSTANT_MEMORY:
      return 64 << 10;
    case WARP_SIZE:
      return 32;
    case MAX_PITCH:
      return 0x7fffffff;
    case MAX_REGISTERS_PER_BLOCK:
    case MAX_REGISTERS_PER_MULTIPROCESSOR:
      return 64 << 10;
    case CLOCK_RATE:
      return 1000000;
    case TEXTURE_ALIGNMENT:
      return 512;
    case GPU_OVERLAP:
    case CAN_MAP_HOST_MEMORY:
    case CONCURRENT_KERNELS:
    case UNIFIED_ADDRESSING:
    case STREAM_PRIORITIES_SUPPORTED:
      return 1;
    case MULTIPROCESSOR_COUNT:
      return 2;
    case PCI_DEVICE_ID:
      return device;
    case MEMORY_CLOCK_RATE:
      return 1000000;
    case GLOBAL_MEMORY_BUS_WIDTH:
      return 64;
    case L2_CACHE_SIZE:
      return 40 << 20;
    case MAX_THREADS_PER_MULTIPROCESSOR:
      return threads_per_multiprocessor;
    case ASYNC_ENGINE_COUNT:
      return 2;
    case COMPUTE_CAPABILITY_MAJOR:
      return settings().capability / 10;
    case COMPUTE_CAPABILITY_MINOR:
      return settings().capability % 10;
    case MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      return shared_per_multiprocessor;
    case MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      return shared_per_block_optin;
    case MAX_BLOCKS_PER_MULTIPROCESSOR:
      return blocks_per_multiprocessor;
    case RESERVED_SHARED_MEMORY_PER_BLOCK:
      return shared_reserved;
    default:
      return 0;
  }
}

}  // namespace

API CUresult cuInit(unsigned flags) {
  Lock lock;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (settings().init_result != CUDA_SUCCESS) return settings().init_result;
  if (settings().devices == 0) return CUDA_ERROR_NO_DEVICE;
  initialized = true;
  return CUDA_SUCCESS;
}

API CUresult cuDriverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = settings().driver_version;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetCount(int* count) {
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = settings().devices;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (CUresult bad = check_device(ordinal)) return bad;
  *device = ordinal;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  snprintf(name, size_t(length), "Emulated CUDA device (host fibers)");
  return CUDA_SUCCESS;
}

API CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  *bytes = settings().memory;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetAttribute(int* value, int which, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  if (!value || which <= 0) return CUDA_ERROR_INVALID_VALUE;
  *value = attribute(which, device);
  return CUDA_SUCCESS;
}

API CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  *major = settings().capability / 10;
  *minor = settings().capability % 10;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid(void* uuid, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  memcpy(uuid, "cuemu-device-000", 16);
  static_cast<char*>(uuid)[15] = char('a' + device);
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid_v2(void* uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

API CUresult cuDeviceCanAccessPeer(int* can, CUdevice device, CUdevice peer) {
  if (CUresult bad = check_device(device)) return bad;
  if (CUresult bad = check_device(peer)) return bad;
  *can = 0;
  return CUDA_SUCCESS;
}

API CUresult cuDeviceGetPCIBusId(char* text, int length, CUdevice device) {
  if (CUresult bad = check_device(device)) return bad;
  snprintf(text, size_t(length), "0000:00:%02x.0", device);
  return CUDA_SUCCESS;
}
