#include "state.h"

#include "settings.h"

bool initialized = false;
thread_local Context* current_context = nullptr;

std::recursive_mutex& Lock::mutex() {
  // Never destroyed: other threads may still call while the process ends.
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

std::set<Context*>& all_contexts() {
  static auto* contexts = new std::set<Context*>;
  return *contexts;
}

CUresult check_context() {
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (!current_context || !all_contexts().count(current_context)) return CUDA_ERROR_INVALID_CONTEXT;
  return current_context->sticky;
}

CUresult explain(CUresult result, const char* call, const std::string& why) {
  bool lost = result == CUDA_ERROR_LAUNCH_FAILED || result == CUDA_ERROR_ILLEGAL_ADDRESS ||
              result == CUDA_ERROR_MISALIGNED_ADDRESS;
  if (lost || settings().verbose) fprintf(stderr, "cuemu: %s -> %d: %s\n", call, result, why.c_str());
  return result;
}

void destroy_resources(Context& context) {
  drain_context(context);
  for (Event* event : context.events) delete event;
  for (Stream* stream : context.streams) delete stream;
  for (Function* function : context.functions) delete function;
  for (Module* module : context.modules) delete module;
  context.events.clear();
  context.streams.clear();
  context.functions.clear();
  context.modules.clear();
  context.legacy.queue.clear();
  free_all_memory(context);
  context.sticky = CUDA_SUCCESS;
}

// A function that JCuda binds and the emulation does not have.
API CUresult cuemu_unsupported(const char* name) {
  fprintf(stderr, "cuemu: %s is not emulated\n", name);
  return CUDA_ERROR_NOT_SUPPORTED;
}

// For the emulated cuBLAS: puts host work on a stream; asks whether a range is device memory.
API CUresult cuemu_enqueue(void* stream, CUresult (*work)(void*), void* argument) {
  REQUIRE_CONTEXT;
  Stream* target = stream_of(stream);
  if (!target) return CUDA_ERROR_INVALID_HANDLE;
  return enqueue(*target, [=] { return work(argument); });
}

API int cuemu_is_device(CUdeviceptr address, size_t bytes) {
  Lock lock;
  return current_context && is_device_memory(*current_context, address, bytes);
}
