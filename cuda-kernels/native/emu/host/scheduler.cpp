// Which thread of a block runs next, and how one leaves off for another.
#include "fiber.h"
#include "worker.h"

#include <cstdarg>
#include <cstdlib>
#include <sys/mman.h>

namespace cuhost {

thread_local Thread* current = nullptr;
thread_local Worker* current_worker = nullptr;

// ---- stacks -----------------------------------------------------------------------------------------

namespace {
constexpr size_t max_threads = 1024;
constexpr size_t page = 4096;
}  // namespace

char* Stacks::take() {
  if (!unused.empty()) {
    char* top = unused.back();
    unused.pop_back();
    return top;
  }
  if (!arena) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, bytes * (max_threads + 1), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
      perror("cuhost: no memory for the stacks of fibers");
      abort();
    }
    uintptr_t aligned = (reinterpret_cast<uintptr_t>(memory) + bytes - 1) / bytes * bytes;
    arena = reinterpret_cast<char*>(aligned);
  }
  char* bottom = arena + handed_out * bytes;
  mprotect(bottom, page, PROT_NONE);
  // Tops at one power-of-two stride would all share a few sets of the cache.
  size_t offset = handed_out % 61 * 320;
  handed_out++;
  return bottom + bytes - 64 - offset;
}

void Stacks::take_all_back() {
  unused.clear();
  handed_out = 0;
}

char* Stacks::bottom_of(char* top) {
  return reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(top) / bytes * bytes) + page;
}

// ---- order --------------------------------------------------------------------------------------------

namespace {

uint64_t xorshift(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// The lane of the nth bit that is set.
int nth_lane(uint32_t lanes, int n) {
  while (n--) lanes &= lanes - 1;
  return __builtin_ctz(lanes);
}

}  // namespace

Thread* Worker::next(const Thread* from) {
  switch (request->options.schedule) {
    case Schedule::forward:
      return next_in_order(from, true);
    case Schedule::reverse:
      return next_in_order(from, false);
    default:
      return next_at_random();
  }
}

// Round robin over the warps, each of which runs until all its lanes wait.
Thread* Worker::next_in_order(const Thread* from, bool forward) {
  size_t count = warps.size();
  size_t start = from ? size_t(from->warp_index) : forward ? 0 : count - 1;
  for (size_t i = 0; i < count; i++) {
    size_t warp = forward ? (start + i) % count : (start + count - i) % count;
    uint32_t runnable = warps[warp].runnable;
    if (runnable) return &threads[warp * 32 + size_t(forward ? __builtin_ctz(runnable) : 31 - __builtin_clz(runnable))];
  }
  return nullptr;
}

// Warps have random priorities, drawn anew now and then: one runs as far ahead as it can before another
// gets a turn. That finds overwritten buffers, which a random order of single threads does not.
Thread* Worker::next_at_random() {
  xorshift(random);
  if (random % 512 == 0) priorities = random;
  size_t best = warps.size();
  uint64_t best_priority = 0;
  for (size_t warp = 0; warp < warps.size(); warp++) {
    if (!warps[warp].runnable) continue;
    uint64_t priority = ((warp + 1) * 0x9E3779B97F4A7C15ull ^ priorities) * 0xD6E8FEB86659FD93ull;
    if (best == warps.size() || priority > best_priority) {
      best = warp;
      best_priority = priority;
    }
  }
  if (best == warps.size()) return nullptr;
  uint32_t runnable = warps[best].runnable;
  int lane = nth_lane(runnable, int((random >> 20) % unsigned(__builtin_popcount(runnable))));
  return &threads[best * 32 + size_t(lane)];
}

// ---- fibers -------------------------------------------------------------------------------------------

namespace {

void fiber_main() {
  Worker* worker = current_worker;
  for (;;) {
    current->state = RUNNING;
    worker->request->kernel->invoke(worker->request->arguments);
    Thread* self = current;
    worker->finish(self);
    Thread* next = worker->next(self);
    if (next && next->state == FRESH) {
      // A thread that has not begun goes on in this stack: no switch at all.
      next->stack = self->stack;
      current = next;
      continue;
    }
    worker->stacks.give_back(static_cast<char*>(self->stack));
    void* never_resumed;
    worker->enter(self, next, &never_resumed);
    __builtin_unreachable();
  }
}

}  // namespace

// Leaves `from` for `to`, or for the worker's own stack if `to` is null. Returns when `from` is resumed.
void Worker::enter(Thread* from, Thread* to, void** save) {
  // Looked up once: a fiber never changes its thread of the operating system.
  Thread** self = &current;
  if (!to) {
    cuhost_switch(save, main_stack_pointer);
    *self = from;
    return;
  }
  if (to->state == FRESH) {
    char* top = stacks.take();
    to->stack = top;
    to->stack_pointer = prepare_fiber(Stacks::bottom_of(top), top, fiber_main);
    to->state = RUNNING;
  }
  *self = to;
  cuhost_switch(save, to->stack_pointer);
  *self = from;
}

void Worker::wait(Thread* self, State state) {
  self->state = state;
  self->warp->runnable &= ~(1u << self->lane);
  enter(self, next(self), &self->stack_pointer);
  self->state = RUNNING;
}

void Worker::finish(Thread* thread) {
  uint32_t lane = 1u << thread->lane;
  thread->state = DONE;
  thread->warp->live &= ~lane;
  thread->warp->runnable &= ~lane;
  thread->copies->clear();
  live--;
  // As on a GPU, a barrier does not wait for threads that have returned.
  if (live && at_barrier == live) release_barrier();
}

// ---- barrier of a block -------------------------------------------------------------------------------

void Worker::release_barrier() {
  barrier_result = {at_barrier, predicates};
  at_barrier = 0;
  predicates = 0;
  for (Warp& warp : warps) warp.runnable |= warp.live;
}

BarrierResult block_barrier(bool predicate) {
  Thread* self = current;
  Worker* worker = self->worker;
  worker->predicates += predicate;
  worker->at_barrier++;
  if (worker->at_barrier == worker->live) {
    worker->release_barrier();
  } else {
    worker->wait(self, WAITS_FOR_BLOCK);
  }
  return worker->barrier_result;
}

// ---- failure ------------------------------------------------------------------------------------------

void fail(Fault fault, const char* format, ...) {
  char text[512];
  int length = 0;
  Worker* worker = current_worker;
  if (current) {
    const uint3& block = current->block_index;
    const uint3& thread = current->thread_index;
    length = snprintf(text, sizeof text, "kernel %s block (%u,%u,%u) thread (%u,%u,%u): ", worker->request->kernel->name,
                      block.x, block.y, block.z, thread.x, thread.y, thread.z);
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + length, sizeof text - size_t(length), format, arguments);
  va_end(arguments);
  worker->failed = true;
  worker->error = text;
  worker->outcome = fault == Fault::illegal_address      ? LaunchOutcome::illegal_address
                    : fault == Fault::misaligned_address ? LaunchOutcome::misaligned_address
                                                         : LaunchOutcome::failed;
  // The fibers of this block are abandoned where they stand.
  void* never_resumed;
  cuhost_switch(&never_resumed, worker->main_stack_pointer);
  __builtin_unreachable();
}

}  // namespace cuhost
