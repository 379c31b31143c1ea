// What the emulated driver and a library of host-compiled kernels say to each other.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cuhost {

// One kernel: how to call it, and what its parameters are.
struct KernelDescription {
  const char* name;
  void (*invoke)(void** arguments);
  int parameters;
  const unsigned* sizes;   // of each parameter, in bytes
  uint64_t pointer_mask;   // bit i: parameter i is a pointer
};

// In which order the threads of a block get their turns. Correct kernels do not notice.
enum class Schedule { forward, reverse, random };

struct LaunchOptions {
  Schedule schedule = Schedule::forward;
  uint64_t seed = 1;
  bool early_copies = false;  // cp.async copies at once, not at the wait
  int workers = 0;            // threads that run blocks; 0: one per processor, 8 at most
};

struct LaunchRequest {
  const KernelDescription* kernel;
  unsigned grid[3];
  unsigned block[3];
  unsigned dynamic_shared;
  void** arguments;
  LaunchOptions options;
};

enum class LaunchOutcome { finished, failed, illegal_address, misaligned_address };

constexpr unsigned max_shared_bytes = 227 << 10;

using FindKernel = const KernelDescription* (*)(const char* name);
using LaunchKernel = LaunchOutcome (*)(const LaunchRequest* request, char* message, size_t capacity);

}  // namespace cuhost
