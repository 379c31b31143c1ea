// cuLaunchKernel: what a device would refuse is refused, then the kernel runs on the worker threads of its library.
#include "settings.h"
#include "state.h"

#include <cstring>

namespace {

struct Shape {
  unsigned grid[3];
  unsigned block[3];
  unsigned dynamic_shared;
};

// The parameters are copied at the call, as on a device.
using Arguments = std::vector<std::vector<char>>;

std::string refusal(const Function& function, const Shape& shape) {
  const unsigned* grid = shape.grid;
  const unsigned* block = shape.block;
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  if (!grid[0] || !grid[1] || !grid[2] || !block[0] || !block[1] || !block[2]) return "a grid or block without threads";
  if (grid[0] > max_grid_x || grid[1] > max_grid_yz || grid[2] > max_grid_yz) return "too large a grid";
  if (block[2] > max_block_z || threads > max_threads_per_block) return "too large a block";
  if (threads > uint64_t(function.info.max_threads)) {
    return std::to_string(threads) + " threads a block, its launch bounds allow " +
           std::to_string(function.info.max_threads);
  }
  if (int64_t(shape.dynamic_shared) > function.max_dynamic_shared) {
    return std::to_string(shape.dynamic_shared) + " bytes of dynamic shared memory, cuFuncSetAttribute allowed " +
           std::to_string(function.max_dynamic_shared);
  }
  if (int64_t(shape.dynamic_shared) + function.info.static_shared > shared_per_block_optin) {
    return "static and dynamic shared memory are more than a block can have";
  }
  return "";
}

// Looked at when the kernel runs, not at the call: a stream may free memory in between.
CUresult check_pointers(const Context& context, const cuhost::KernelDescription& kernel, const Arguments& arguments) {
  for (size_t i = 0; i < arguments.size(); i++) {
    if (!(kernel.pointer_mask >> i & 1)) continue;
    uintptr_t address;
    memcpy(&address, arguments[i].data(), sizeof address);
    if (!address || is_visible(context, address)) continue;
    char text[200];
    snprintf(text, sizeof text, "kernel %s: parameter %zu is %#zx, which is in no live allocation", kernel.name, i,
             size_t(address));
    return explain(CUDA_ERROR_ILLEGAL_ADDRESS, "cuLaunchKernel", text);
  }
  return CUDA_SUCCESS;
}

CUresult run(const Function& function, const Shape& shape, Arguments& arguments) {
  std::vector<void*> addresses;
  for (auto& argument : arguments) addresses.push_back(argument.data());
  cuhost::LaunchRequest request{};
  request.kernel = function.kernel;
  memcpy(request.grid, shape.grid, sizeof shape.grid);
  memcpy(request.block, shape.block, sizeof shape.block);
  request.dynamic_shared = shape.dynamic_shared;
  request.arguments = addresses.data();
  request.options = settings().launch;
  char message[512] = "";
  switch (function.module->launch(&request, message, sizeof message)) {
    case cuhost::LaunchOutcome::finished:
      return CUDA_SUCCESS;
    case cuhost::LaunchOutcome::illegal_address:
      return explain(CUDA_ERROR_ILLEGAL_ADDRESS, "cuLaunchKernel", message);
    case cuhost::LaunchOutcome::misaligned_address:
      return explain(CUDA_ERROR_MISALIGNED_ADDRESS, "cuLaunchKernel", message);
    default:
      return explain(CUDA_ERROR_LAUNCH_FAILED, "cuLaunchKernel", message);
  }
}

}  // namespace

API CUresult cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                            unsigned block_y, unsigned block_z, unsigned dynamic_shared, void* stream_handle,
                            void** parameters, void** extra) {
  REQUIRE_CONTEXT;
  auto* function = static_cast<Function*>(handle);
  if (!current_context->functions.count(function)) {
    return explain(CUDA_ERROR_INVALID_HANDLE, "cuLaunchKernel", "no such function");
  }
  Stream* stream = stream_of(stream_handle);
  if (!stream) return explain(CUDA_ERROR_INVALID_HANDLE, "cuLaunchKernel", "no such stream");
  const cuhost::KernelDescription& kernel = *function->kernel;
  Shape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_shared};
  std::string bad = refusal(*function, shape);
  if (extra || (kernel.parameters && !parameters)) bad = "parameters must be an array of addresses";
  auto arguments = std::make_shared<Arguments>();
  for (int i = 0; bad.empty() && i < kernel.parameters; i++) {
    auto* begin = static_cast<const char*>(parameters[i]);
    if (!begin) {
      bad = "parameter " + std::to_string(i) + " is missing";
      break;
    }
    arguments->emplace_back(begin, begin + kernel.sizes[i]);
  }
  if (!bad.empty()) {
    return explain(CUDA_ERROR_INVALID_VALUE, "cuLaunchKernel", "kernel " + std::string(kernel.name) + ": " + bad);
  }
  Context* context = current_context;
  Function launched = *function;
  return enqueue(*stream, [=] {
    if (CUresult wrong = check_pointers(*context, *launched.kernel, *arguments)) return wrong;
    return run(launched, shape, *arguments);
  });
}
