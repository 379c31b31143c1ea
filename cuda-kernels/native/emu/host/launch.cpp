// Spreads the blocks of a launch over worker threads, and tells the driver which kernels there are.
#include "worker.h"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

namespace cuhost {

namespace {

std::map<std::string, KernelDescription>& registry() {
  static std::map<std::string, KernelDescription> kernels;
  return kernels;
}

// One launch on its way; workers take blocks from it until none is left or one has failed.
struct Launch {
  const LaunchRequest& request;
  std::atomic<uint64_t> next_block{0};
  std::atomic<bool> failed{false};
  std::mutex error_lock;
  LaunchOutcome outcome = LaunchOutcome::finished;
  std::string error;

  explicit Launch(const LaunchRequest& wanted) : request(wanted) {}

  uint64_t blocks() const { return uint64_t(request.grid[0]) * request.grid[1] * request.grid[2]; }

  void run_blocks(Worker& worker) {
    uint64_t count = blocks();
    while (!failed) {
      uint64_t block = next_block++;
      if (block >= count) return;
      worker.run_block(request, block);
      if (worker.failed) keep_error(worker);
    }
  }

  void keep_error(const Worker& worker) {
    std::lock_guard<std::mutex> guard(error_lock);
    if (failed.exchange(true)) return;
    outcome = worker.outcome;
    error = worker.error;
  }
};

// Threads of its own, so that no stack of the caller, such as a Java thread's, is ever switched.
class Pool {
 public:
  void run(Launch& launch) {
    std::unique_lock<std::mutex> lock(mutex);
    int wanted = workers_for(launch);
    while (started < wanted) start();
    job = &launch;
    openings = wanted;
    running = wanted;
    begin.notify_all();
    end.wait(lock, [&] { return running == 0; });
    job = nullptr;
  }

 private:
  std::mutex mutex;
  std::condition_variable begin;
  std::condition_variable end;
  Launch* job = nullptr;
  int openings = 0;  // workers that this launch still takes
  int running = 0;
  int started = 0;

  static int workers_for(const Launch& launch) {
    int most = launch.request.options.workers;
    if (most <= 0) most = int(std::min(8u, std::max(1u, std::thread::hardware_concurrency())));
    return int(std::min<uint64_t>(uint64_t(most), launch.blocks()));
  }

  void start() {
    started++;
    std::thread([this] { loop(); }).detach();
  }

  void loop() {
    auto* worker = new Worker;
    // A fiber that overflows its stack has none left for the signal handler.
    stack_t handler_stack{};
    handler_stack.ss_size = 64 << 10;
    handler_stack.ss_sp = malloc(handler_stack.ss_size);
    sigaltstack(&handler_stack, nullptr);
    for (;;) {
      Launch* launch;
      {
        std::unique_lock<std::mutex> lock(mutex);
        begin.wait(lock, [&] { return openings > 0; });
        openings--;
        launch = job;
      }
      launch->run_blocks(*worker);
      std::lock_guard<std::mutex> guard(mutex);
      running--;
      if (running == 0) end.notify_all();
    }
  }
};

}  // namespace

Registration::Registration(const KernelDescription& kernel) { registry()[kernel.name] = kernel; }

}  // namespace cuhost

// ---- what the emulated driver looks up ----------------------------------------------------------------

#define API extern "C" __attribute__((visibility("default")))

API const cuhost::KernelDescription* cuhost_find(const char* name) {
  auto& kernels = cuhost::registry();
  auto found = kernels.find(name);
  return found == kernels.end() ? nullptr : &found->second;
}

// Writes as many names as there is room for, and says how many there are.
API int cuhost_kernels(const char** names, int capacity) {
  int count = 0;
  for (auto& entry : cuhost::registry()) {
    if (count < capacity) names[count] = entry.first.c_str();
    count++;
  }
  return count;
}

API cuhost::LaunchOutcome cuhost_launch(const cuhost::LaunchRequest* request, char* message, size_t capacity) {
  static auto* pool = new cuhost::Pool;
  static std::mutex one_at_a_time;
  std::lock_guard<std::mutex> guard(one_at_a_time);
  cuhost::catch_faults();
  cuhost::Launch launch(*request);
  pool->run(launch);
  snprintf(message, capacity, "%s", launch.error.c_str());
  return launch.outcome;
}
