// Modules. An image is a host library, as its bytes; or it is device code (PTX, cubin, fatbin), and the setting
// "kernels" names the host library that stands in for it.
#include "settings.h"
#include "state.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace {

#if defined(__x86_64__)
constexpr int native_machine = EM_X86_64;
#else
constexpr int native_machine = EM_AARCH64;
#endif
constexpr int cuda_machine = 190;
constexpr uint32_t fatbin_magic = 0xBA55ED50u;

enum class Image { host_library, ptx, binary, unknown };

Image kind_of(const void* image) {
  auto* header = static_cast<const Elf64_Ehdr*>(image);
  // Four bytes are always there, and a text may end after them.
  if (!memcmp(image, ELFMAG, SELFMAG)) {
    if (header->e_machine == native_machine) return Image::host_library;
    return header->e_machine == cuda_machine ? Image::binary : Image::unknown;
  }
  uint32_t magic;
  memcpy(&magic, image, sizeof magic);
  if (magic == fatbin_magic) return Image::binary;
  return strstr(static_cast<const char*>(image), ".version") ? Image::ptx : Image::unknown;
}

CUresult open_library(const std::string& path, std::unique_ptr<Module>& module) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return explain(CUDA_ERROR_INVALID_IMAGE, "cuModuleLoad", dlerror());
  module = std::make_unique<Module>();
  module->find = reinterpret_cast<cuhost::FindKernel>(dlsym(library, "cuhost_find"));
  module->launch = reinterpret_cast<cuhost::LaunchKernel>(dlsym(library, "cuhost_launch"));
  if (module->find && module->launch) return CUDA_SUCCESS;
  dlclose(library);
  return explain(CUDA_ERROR_NO_BINARY_FOR_GPU, "cuModuleLoad", path + " has no kernels for the emulated device");
}

// A library that lies in memory becomes a file that only this process sees.
CUresult open_bytes(const unsigned char* bytes, std::unique_ptr<Module>& module) {
  auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes);
  // The table of sections ends the file.
  size_t size = header->e_shoff + size_t(header->e_shnum) * header->e_shentsize;
  int file = memfd_create("cuemu-module", MFD_CLOEXEC);
  if (file < 0) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t at = 0; at < size;) {
    ssize_t written = write(file, bytes + at, size - at);
    if (written <= 0) {
      close(file);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    at += size_t(written);
  }
  CUresult result = open_library("/proc/self/fd/" + std::to_string(file), module);
  close(file);
  return result;
}

CUresult open_stand_in(const void* image, Image kind, std::unique_ptr<Module>& module) {
  const std::string& kernels = settings().kernels;
  if (kernels.empty()) {
    return explain(CUDA_ERROR_NO_BINARY_FOR_GPU, "cuModuleLoadData",
                   "device code, and no host library is named for it (setting kernels, CUEMU_KERNELS)");
  }
  std::map<std::string, EntryInfo> entries;
  if (kind == Image::ptx && !parse_ptx(static_cast<const char*>(image), entries)) {
    return explain(CUDA_ERROR_INVALID_PTX, "cuModuleLoadData", "no .version line");
  }
  if (CUresult bad = open_library(kernels, module)) return bad;
  module->from_ptx = kind == Image::ptx;
  module->entries = std::move(entries);
  return CUDA_SUCCESS;
}

CUresult keep(CUresult result, std::unique_ptr<Module>& module, void** handle) {
  if (result != CUDA_SUCCESS) return result;
  current_context->modules.insert(module.get());
  *handle = module.release();
  return CUDA_SUCCESS;
}

Function* function_of(void* handle) {
  auto* function = static_cast<Function*>(handle);
  return current_context->functions.count(function) ? function : nullptr;
}

// The PTX and the host library were made from the same source, or the one that was not rebuilt says so here.
CUresult check_parameters(const cuhost::KernelDescription& kernel, const EntryInfo& info) {
  std::vector<unsigned> sizes(kernel.sizes, kernel.sizes + kernel.parameters);
  if (sizes == info.parameter_sizes) return CUDA_SUCCESS;
  return explain(CUDA_ERROR_INVALID_IMAGE, "cuModuleGetFunction",
                 std::string(kernel.name) + ": the PTX and the host library differ in its parameters");
}

}  // namespace

// ---- modules --------------------------------------------------------------------------------------------

API CUresult cuModuleLoadData(void** handle, const void* image) {
  REQUIRE_CONTEXT;
  if (!image) return CUDA_ERROR_INVALID_VALUE;
  std::unique_ptr<Module> module;
  Image kind = kind_of(image);
  switch (kind) {
    case Image::host_library:
      return keep(open_bytes(static_cast<const unsigned char*>(image), module), module, handle);
    case Image::ptx:
    case Image::binary:
      return keep(open_stand_in(image, kind, module), module, handle);
    default:
      return explain(CUDA_ERROR_INVALID_IMAGE, "cuModuleLoadData", "neither PTX nor a library nor a fatbin");
  }
}

API CUresult cuModuleLoadDataEx(void** handle, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(handle, image);
}

API CUresult cuModuleLoadFatBinary(void** handle, const void* image) { return cuModuleLoadData(handle, image); }

API CUresult cuModuleLoad(void** handle, const char* path) {
  REQUIRE_CONTEXT;
  std::ifstream file(path, std::ios::binary);
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  std::vector<char> image{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  image.insert(image.end(), sizeof(Elf64_Ehdr), 0);
  return cuModuleLoadData(handle, image.data());
}

// The library stays: worker threads run in it.
API CUresult cuModuleUnload(void* handle) {
  REQUIRE_CONTEXT;
  auto* module = static_cast<Module*>(handle);
  if (!current_context->modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  drain_context(*current_context);
  auto& functions = current_context->functions;
  for (auto function = functions.begin(); function != functions.end();) {
    bool gone = (*function)->module == module;
    if (gone) delete *function;
    function = gone ? functions.erase(function) : std::next(function);
  }
  current_context->modules.erase(module);
  delete module;
  return CUDA_SUCCESS;
}

API CUresult cuModuleGetFunction(void** handle, void* module_handle, const char* name) {
  REQUIRE_CONTEXT;
  auto* module = static_cast<Module*>(module_handle);
  if (!current_context->modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
  const cuhost::KernelDescription* kernel = module->find(name);
  auto entry = module->entries.find(name);
  bool in_image = !module->from_ptx || entry != module->entries.end();
  if (!kernel || !in_image) {
    return explain(CUDA_ERROR_NOT_FOUND, "cuModuleGetFunction",
                   std::string(name) + (kernel ? " is not in the PTX" : " is not in the host library"));
  }
  auto function = std::make_unique<Function>();
  function->module = module;
  function->kernel = kernel;
  if (module->from_ptx) {
    function->info = entry->second;
    if (CUresult bad = check_parameters(*kernel, function->info)) return bad;
  }
  *handle = function.get();
  current_context->functions.insert(function.release());
  return CUDA_SUCCESS;
}

// ---- functions ------------------------------------------------------------------------------------------

API CUresult cuFuncSetAttribute(void* handle, int attribute, int value) {
  REQUIRE_CONTEXT;
  Function* function = function_of(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
    case FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      if (value < 0 || value > shared_per_block_optin - function->info.static_shared) return CUDA_ERROR_INVALID_VALUE;
      function->max_dynamic_shared = value;
      return CUDA_SUCCESS;
    case FUNCTION_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return value < -1 || value > 100 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

API CUresult cuFuncGetAttribute(int* value, int attribute, void* handle) {
  REQUIRE_CONTEXT;
  Function* function = function_of(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
    case FUNCTION_MAX_THREADS_PER_BLOCK:
      *value = function->info.max_threads;
      return CUDA_SUCCESS;
    case FUNCTION_SHARED_SIZE_BYTES:
      *value = function->info.static_shared;
      return CUDA_SUCCESS;
    case FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = function->max_dynamic_shared;
      return CUDA_SUCCESS;
    case FUNCTION_PTX_VERSION:
    case FUNCTION_BINARY_VERSION:
      *value = settings().capability;
      return CUDA_SUCCESS;
    default:
      // Registers, local and constant memory: the host compiler has none of these.
      *value = 0;
      return CUDA_SUCCESS;
  }
}

API CUresult cuFuncSetCacheConfig(void* handle, int) {
  REQUIRE_CONTEXT;
  return function_of(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t dynamic) {
  REQUIRE_CONTEXT;
  Function* function = function_of(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (threads <= 0 || threads > function->info.max_threads) return CUDA_ERROR_INVALID_VALUE;
  int whole_warps = (threads + 31) / 32 * 32;
  int by_threads = threads_per_multiprocessor / whole_warps;
  size_t shared = dynamic + size_t(function->info.static_shared) + size_t(shared_reserved);
  int by_shared = int(size_t(shared_per_multiprocessor) / shared);
  *blocks = std::min({by_threads, by_shared, blocks_per_multiprocessor});
  return CUDA_SUCCESS;
}

API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void* handle, int threads,
                                                                  size_t dynamic, unsigned) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, handle, threads, dynamic);
}
