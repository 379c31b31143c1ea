// Runs one block from its first thread to its last, and looks at what it left behind.
#include "worker.h"

#include <cstdlib>

namespace cuhost {

namespace {

constexpr size_t red_zone = 256;
constexpr unsigned char red = 0xA5;
constexpr size_t shared_alignment = 1024;

std::string block_name(const LaunchRequest& request, const uint3& block) {
  char text[256];
  snprintf(text, sizeof text, "kernel %s block (%u,%u,%u): ", request.kernel->name, block.x, block.y, block.z);
  return text;
}

}  // namespace

void Worker::run_block(const LaunchRequest& launch, uint64_t block) {
  prepare(launch, block);
  current_worker = this;
  enter(nullptr, next(nullptr), &main_stack_pointer);
  current = nullptr;
  check_for_deadlock();
  check_shared_memory();
  if (failed) {
    stacks.take_all_back();
    for (CopyQueue& queue : copies) queue.clear();
  }
}

void Worker::prepare(const LaunchRequest& launch, uint64_t block) {
  request = &launch;
  unsigned count = launch.block[0] * launch.block[1] * launch.block[2];
  prepare_shared(launch.dynamic_shared);
  prepare_warps(count);
  prepare_threads(count, block);
  live = int(count);
  at_barrier = 0;
  predicates = 0;
  failed = false;
  outcome = LaunchOutcome::finished;
  random = launch.options.seed * 0x9E3779B97F4A7C15ull + block * 2654435761u + 1;
  priorities = random * 0x9E3779B97F4A7C15ull;
}

// Shared memory that nobody wrote reads as NaN.
void Worker::prepare_shared(unsigned bytes) {
  if (!shared_area) {
    size_t capacity = shared_alignment + max_shared_bytes + red_zone;
    capacity = (capacity + shared_alignment - 1) / shared_alignment * shared_alignment;
    shared_area = static_cast<unsigned char*>(aligned_alloc(shared_alignment, capacity));
    if (!shared_area) abort();
  }
  unsigned char* shared = shared_area + shared_alignment;
  std::memset(shared - red_zone, red, red_zone);
  std::memset(shared, 0xFF, bytes);
  std::memset(shared + bytes, red, red_zone);
}

void Worker::prepare_warps(unsigned thread_count) {
  unsigned warp_count = (thread_count + 31) / 32;
  if (warps.size() != warp_count) {
    threads.assign(warp_count * 32, Thread{});
    warps = std::vector<Warp>(warp_count);
    copies.resize(warp_count * 32);
  }
  for (unsigned i = 0; i < warp_count; i++) {
    unsigned lanes = std::min(32u, thread_count - i * 32);
    uint32_t all = lanes == 32 ? ~0u : (1u << lanes) - 1;
    Warp& warp = warps[i];
    warp.all = warp.live = warp.runnable = all;
    for (Meeting& meeting : warp.meetings) meeting = {};
  }
  for (Warpgroup& group : groups) group.arrived = 0;
}

void Worker::prepare_threads(unsigned count, uint64_t block) {
  const unsigned* grid = request->grid;
  const unsigned* size = request->block;
  uint3 block_index = {unsigned(block % grid[0]), unsigned(block / grid[0] % grid[1]),
                       unsigned(block / grid[0] / grid[1])};
  for (unsigned t = 0; t < count; t++) {
    Thread& thread = threads[t];
    thread.thread_index = {t % size[0], t / size[0] % size[1], t / size[0] / size[1]};
    thread.block_index = block_index;
    thread.block_size = {size[0], size[1], size[2]};
    thread.grid_size = {grid[0], grid[1], grid[2]};
    thread.lane = int(t % 32);
    thread.warp_index = int(t / 32);
    thread.warp = &warps[t / 32];
    thread.worker = this;
    thread.copies = &copies[t];
    thread.state = FRESH;
    thread.dynamic_shared = shared_area + shared_alignment;
    thread.dynamic_bytes = request->dynamic_shared;
  }
  // Those that the last warp has too many.
  for (size_t t = count; t < threads.size(); t++) threads[t].state = DONE;
}

void Worker::fail_block(const std::string& what) {
  failed = true;
  outcome = LaunchOutcome::failed;
  error = block_name(*request, threads[0].block_index) + what;
}

// Nothing can run and threads are left: they wait for others that wait elsewhere or have returned.
void Worker::check_for_deadlock() {
  if (failed || !live) return;
  int in_block = 0;
  int in_warp = 0;
  const Thread* first = nullptr;
  for (const Thread& thread : threads) {
    if (thread.state == WAITS_FOR_BLOCK) in_block++;
    if (thread.state != WAITS_FOR_WARP && thread.state != WAITS_FOR_GROUP) continue;
    in_warp++;
    if (!first) first = &thread;
  }
  std::string what = "deadlock: " + std::to_string(in_block) + " threads wait at __syncthreads, " +
                     std::to_string(in_warp) + " in operations of their warps";
  if (first) what += std::string(", the first in ") + operation_name(first->waits_for);
  fail_block(what);
}

void Worker::check_shared_memory() {
  if (failed) return;
  const unsigned char* shared = threads[0].dynamic_shared;
  for (size_t i = 0; i < red_zone; i++) {
    if (shared[i - red_zone] == red && shared[request->dynamic_shared + i] == red) continue;
    fail_block("wrote outside its " + std::to_string(request->dynamic_shared) + " bytes of dynamic shared memory");
    return;
  }
}

}  // namespace cuhost
