// Device memory is host memory: fresh it reads as NaN, around each allocation lies a canary, and what was freed
// stays out of use for a while.
#include "settings.h"
#include "state.h"

#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t alignment = 256;
constexpr size_t red_zone = 256;
constexpr unsigned char canary = 0xA5;
constexpr unsigned char garbage = 0xFF;  // floats of these bytes are NaN
constexpr size_t quarantine_limit = 64 << 20;

struct DeviceMemory {
  size_t used = 0;
  // Freed and not yet given back, so that an old address does not become that of something else at once.
  std::deque<std::pair<unsigned char*, size_t>> quarantine;
  size_t quarantined = 0;
};

DeviceMemory& memory_of(CUdevice device) {
  static auto* memories = new DeviceMemory[max_devices];
  return memories[device];
}

size_t padding(size_t bytes) { return (alignment - bytes % alignment) % alignment; }

// The range that holds an address, or the end.
template <class Ranges>
auto find_range(Ranges& ranges, uintptr_t address) {
  auto after = ranges.upper_bound(address);
  if (after == ranges.begin()) return ranges.end();
  auto range = std::prev(after);
  bool inside = address == range->first || address - range->first < range->second;
  return inside ? range : ranges.end();
}

bool holds(const std::map<uintptr_t, size_t>& ranges, uintptr_t address, size_t bytes) {
  auto range = find_range(ranges, address);
  if (range == ranges.end()) return false;
  size_t offset = address - range->first;
  return bytes <= range->second - offset;
}

bool canaries_intact(uintptr_t address, size_t bytes) {
  auto* memory = reinterpret_cast<const unsigned char*>(address);
  for (size_t i = 1; i <= red_zone; i++) {
    if (memory[-ptrdiff_t(i)] != canary) return false;
  }
  for (size_t i = 0; i < red_zone + padding(bytes); i++) {
    if (memory[bytes + i] != canary) return false;
  }
  return true;
}

CUresult overrun(const char* call, size_t bytes) {
  return explain(CUDA_ERROR_ILLEGAL_ADDRESS, call,
                 "something wrote outside a device allocation of " + std::to_string(bytes) + " bytes");
}

void trim_quarantine(DeviceMemory& memory, size_t limit) {
  while (memory.quarantined > limit) {
    auto [block, bytes] = memory.quarantine.front();
    memory.quarantine.pop_front();
    memory.quarantined -= bytes;
    free(block);
  }
}

CUresult allocate(Context& context, CUdeviceptr* address, size_t bytes, const char* call) {
  if (!address || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  DeviceMemory& memory = memory_of(context.device);
  // Frees that are queued on a stream may make room.
  if (bytes > settings().memory - std::min(memory.used, settings().memory)) drain_context(context);
  if (bytes > settings().memory - std::min(memory.used, settings().memory)) {
    return explain(CUDA_ERROR_OUT_OF_MEMORY, call,
                   std::to_string(bytes) + " bytes wanted, " + std::to_string(memory.used) + " of " +
                       std::to_string(settings().memory) + " in use");
  }
  size_t after = red_zone + padding(bytes);
  auto* block = static_cast<unsigned char*>(aligned_alloc(alignment, red_zone + bytes + after));
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(block, canary, red_zone);
  memset(block + red_zone, garbage, bytes);
  memset(block + red_zone + bytes, canary, after);
  *address = reinterpret_cast<uintptr_t>(block + red_zone);
  context.allocations[*address] = bytes;
  memory.used += bytes;
  return CUDA_SUCCESS;
}

// Puts an allocation in quarantine; true if nothing wrote around it.
bool retire(Context& context, std::map<uintptr_t, size_t>::iterator allocation) {
  auto [address, bytes] = *allocation;
  bool intact = canaries_intact(address, bytes);
  context.allocations.erase(allocation);
  DeviceMemory& memory = memory_of(context.device);
  memory.used -= bytes;
  memset(reinterpret_cast<void*>(address), garbage, bytes);
  memory.quarantine.emplace_back(reinterpret_cast<unsigned char*>(address) - red_zone, bytes);
  memory.quarantined += bytes;
  trim_quarantine(memory, quarantine_limit);
  return intact;
}

CUresult release(Context& context, CUdeviceptr address, const char* call) {
  auto found = context.allocations.find(address);
  if (found == context.allocations.end()) return explain(CUDA_ERROR_INVALID_VALUE, call, "not an allocation");
  size_t bytes = found->second;
  return retire(context, found) ? CUDA_SUCCESS : overrun(call, bytes);
}

}  // namespace

bool is_device_memory(const Context& context, CUdeviceptr address, size_t bytes) {
  return holds(context.allocations, address, bytes);
}

bool is_pinned(const Context& context, const void* address, size_t bytes) {
  auto start = reinterpret_cast<uintptr_t>(address);
  return holds(context.pinned, start, bytes) || holds(context.registered, start, bytes);
}

bool is_visible(const Context& context, uintptr_t address) {
  return holds(context.allocations, address, 0) || holds(context.pinned, address, 0) ||
         holds(context.registered, address, 0);
}

CUresult check_canaries(Context& context, const char* call) {
  for (auto& [address, bytes] : context.allocations) {
    if (!canaries_intact(address, bytes)) return context.sticky = overrun(call, bytes);
  }
  return CUDA_SUCCESS;
}

void free_all_memory(Context& context) {
  while (!context.allocations.empty()) retire(context, context.allocations.begin());
  for (auto& [address, bytes] : context.pinned) free(reinterpret_cast<void*>(address));
  context.pinned.clear();
  context.registered.clear();
}

// ---- device memory ----------------------------------------------------------------------------------------

API CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  REQUIRE_CONTEXT;
  size_t used = std::min(memory_of(current_context->device).used, settings().memory);
  *total = settings().memory;
  *available = *total - used;
  return CUDA_SUCCESS;
}

API CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  REQUIRE_CONTEXT;
  return allocate(*current_context, address, bytes, "cuMemAlloc");
}

// Waits for all work, as on a device.
API CUresult cuMemFree_v2(CUdeviceptr address) {
  REQUIRE_CONTEXT;
  if (!address) return CUDA_SUCCESS;
  if (CUresult bad = drain_context(*current_context)) return bad;
  CUresult result = release(*current_context, address, "cuMemFree");
  if (result == CUDA_ERROR_ILLEGAL_ADDRESS) current_context->sticky = result;
  return result;
}

API CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, void* handle) {
  REQUIRE_CONTEXT;
  if (!stream_of(handle)) return CUDA_ERROR_INVALID_HANDLE;
  return allocate(*current_context, address, bytes, "cuMemAllocAsync");
}

// The memory goes when the stream gets there: work before it may still use it.
API CUresult cuMemFreeAsync(CUdeviceptr address, void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (!current_context->allocations.count(address)) {
    return explain(CUDA_ERROR_INVALID_VALUE, "cuMemFreeAsync", "not an allocation");
  }
  Context* context = current_context;
  return enqueue(*stream, [=] { return release(*context, address, "cuMemFreeAsync"); });
}

API CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* bytes, CUdeviceptr address) {
  REQUIRE_CONTEXT;
  auto range = find_range(current_context->allocations, address);
  if (range == current_context->allocations.end()) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = range->first;
  if (bytes) *bytes = range->second;
  return CUDA_SUCCESS;
}

API CUresult cuPointerGetAttribute(void* data, int attribute, CUdeviceptr address) {
  REQUIRE_CONTEXT;
  constexpr int memory_type = 2;
  enum { host = 1, device = 2 };
  if (attribute != memory_type) return CUDA_ERROR_NOT_SUPPORTED;
  bool on_device = is_device_memory(*current_context, address, 0);
  if (!on_device && !is_visible(*current_context, address)) return CUDA_ERROR_INVALID_VALUE;
  *static_cast<unsigned*>(data) = on_device ? device : host;
  return CUDA_SUCCESS;
}

// ---- pinned memory ----------------------------------------------------------------------------------------

API CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  REQUIRE_CONTEXT;
  constexpr size_t page = 4096;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  *address = aligned_alloc(page, (bytes + page - 1) / page * page);
  if (!*address) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(*address, garbage, bytes);
  current_context->pinned[reinterpret_cast<uintptr_t>(*address)] = bytes;
  return CUDA_SUCCESS;
}

API CUresult cuMemAllocHost_v2(void** address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }

API CUresult cuMemFreeHost(void* address) {
  REQUIRE_CONTEXT;
  drain_context(*current_context);
  if (!current_context->pinned.erase(reinterpret_cast<uintptr_t>(address))) return CUDA_ERROR_INVALID_VALUE;
  free(address);
  return CUDA_SUCCESS;
}

API CUresult cuMemHostRegister_v2(void* address, size_t bytes, unsigned) {
  REQUIRE_CONTEXT;
  if (!address || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (is_pinned(*current_context, address, 0)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  current_context->registered[reinterpret_cast<uintptr_t>(address)] = bytes;
  return CUDA_SUCCESS;
}

API CUresult cuMemHostUnregister(void* address) {
  REQUIRE_CONTEXT;
  drain_context(*current_context);
  bool known = current_context->registered.erase(reinterpret_cast<uintptr_t>(address)) > 0;
  return known ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* host, unsigned) {
  REQUIRE_CONTEXT;
  if (!is_pinned(*current_context, host, 0)) return CUDA_ERROR_INVALID_VALUE;
  *address = reinterpret_cast<uintptr_t>(host);
  return CUDA_SUCCESS;
}
