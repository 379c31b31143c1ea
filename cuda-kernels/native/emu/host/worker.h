// One thread of the operating system that runs blocks, one after the other.
#pragma once
#include "cuhost.h"
// The runtime itself is no kernel.
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#include <string>
#include <vector>

namespace cuhost {

enum State { FRESH, RUNNING, WAITS_FOR_WARP, WAITS_FOR_BLOCK, WAITS_FOR_GROUP, DONE };

// The copies of one thread that cp.async began and nobody waited for.
struct CopyQueue {
  struct Copy {
    void* target;
    const void* source;
    unsigned bytes;
    unsigned zeros;
  };
  std::vector<Copy> copies;
  std::vector<int> groups;  // how many copies each committed group has, oldest first
  int uncommitted = 0;

  void clear() {
    copies.clear();
    groups.clear();
    uncommitted = 0;
  }
};

// Stacks for the fibers of one worker, each with a page below it that cannot be touched.
class Stacks {
 public:
  static constexpr size_t bytes = 128 << 10;

  char* take();
  void give_back(char* top) { unused.push_back(top); }
  // For a block that was abandoned: no fiber will give its stack back.
  void take_all_back();
  static char* bottom_of(char* top);

 private:
  std::vector<char*> unused;
  size_t handed_out = 0;
  char* arena = nullptr;
};

struct Worker {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<CopyQueue> copies;
  Warpgroup groups[8];
  Stacks stacks;
  unsigned char* shared_area = nullptr;
  void* main_stack_pointer = nullptr;
  const LaunchRequest* request = nullptr;

  int live = 0;
  int at_barrier = 0;
  int predicates = 0;
  BarrierResult barrier_result{};

  bool failed = false;
  LaunchOutcome outcome = LaunchOutcome::finished;
  std::string error;

  uint64_t random = 1;
  uint64_t priorities = 0;

  void run_block(const LaunchRequest& launch, uint64_t block);
  Thread* next(const Thread* from);
  void enter(Thread* from, Thread* to, void** save);
  void wait(Thread* self, State state);
  void finish(Thread* thread);
  void release_barrier();

 private:
  void prepare(const LaunchRequest& launch, uint64_t block);
  void prepare_shared(unsigned bytes);
  void prepare_warps(unsigned thread_count);
  void prepare_threads(unsigned count, uint64_t block);
  void check_for_deadlock();
  void check_shared_memory();
  void fail_block(const std::string& what);
  Thread* next_in_order(const Thread* from, bool forward);
  Thread* next_at_random();
};

extern thread_local Worker* current_worker;

const char* operation_name(int operation);

void catch_faults();

}  // namespace cuhost
