// What a context holds. Everything here is guarded by one lock, which each entry point takes.
#pragma once
#include "api.h"
#include "limits.h"

#include "../kernel_abi.h"

#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using Work = std::function<CUresult()>;

struct Context;

struct Stream {
  Context* context = nullptr;
  bool blocking = true;  // ordered with the legacy stream
  int priority = 0;
  std::deque<Work> queue;
};

// How far the recordings of an event have come. Work that waits for one may outlive the event.
struct Recordings {
  uint64_t wanted = 0;
  uint64_t reached = 0;
  double milliseconds = 0;  // when the last one was reached
};

struct Event {
  Stream* stream = nullptr;  // of the last recording
  bool timing = true;
  std::shared_ptr<Recordings> recordings = std::make_shared<Recordings>();

  bool done() const { return recordings->reached == recordings->wanted; }
};

// What the PTX says of an entry that its host-compiled twin does not know.
struct EntryInfo {
  int max_threads = int(max_threads_per_block);
  int static_shared = 0;
  std::vector<unsigned> parameter_sizes;
};

struct Module {
  cuhost::FindKernel find = nullptr;
  cuhost::LaunchKernel launch = nullptr;
  bool from_ptx = false;
  std::map<std::string, EntryInfo> entries;  // of the PTX
};

struct Function {
  Module* module = nullptr;
  const cuhost::KernelDescription* kernel = nullptr;
  EntryInfo info;
  int max_dynamic_shared = shared_per_block;
};

struct Context {
  CUdevice device = 0;
  bool primary = false;
  int retained = 0;
  CUresult sticky = CUDA_SUCCESS;  // an error after which a context is of no more use
  Stream legacy;
  std::map<uintptr_t, size_t> allocations;
  std::map<uintptr_t, size_t> pinned;      // of cuMemHostAlloc
  std::map<uintptr_t, size_t> registered;  // of cuMemHostRegister
  std::vector<Stream*> streams;  // in the order in which they were made
  std::set<Event*> events;
  std::set<Module*> modules;
  std::set<Function*> functions;

  explicit Context(CUdevice number) : device(number) { legacy.context = this; }
};

// For the length of an entry point.
class Lock {
 public:
  Lock() { mutex().lock(); }
  ~Lock() { mutex().unlock(); }
  Lock(const Lock&) = delete;

 private:
  static std::recursive_mutex& mutex();
};

extern bool initialized;
extern thread_local Context* current_context;

// Begins an entry point that needs a usable context.
CUresult check_context();

#define REQUIRE_CONTEXT                                          \
  Lock lock;                                                     \
  if (CUresult bad = check_context(); bad != CUDA_SUCCESS) return bad

std::set<Context*>& all_contexts();
void destroy_resources(Context& context);

// Says why a call fails where that was asked for, always if the context is lost by it.
CUresult explain(CUresult result, const char* call, const std::string& why);

// ---- streams ------------------------------------------------------------------------------------------

// The stream of a handle: null and the handles 1 and 2 mean the legacy one; null if there is no such stream.
Stream* stream_of(void* handle);

// Runs the work now, or queues it if settings say so. What fails shows at the next synchronisation, as on a
// device, and every later call repeats it.
CUresult enqueue(Stream& stream, Work work);
CUresult drain(Stream& stream);
CUresult drain_context(Context& context);
void drain_everything();
// What a copy that waits is ordered with: the legacy stream and all blocking ones.
void drain_legacy(Context& context);

// ---- memory -------------------------------------------------------------------------------------------

bool is_device_memory(const Context& context, CUdeviceptr address, size_t bytes);
bool is_pinned(const Context& context, const void* address, size_t bytes);
// An address that kernels may read: of a live allocation, or of pinned memory.
bool is_visible(const Context& context, uintptr_t address);
// Looks for writes around all allocations.
CUresult check_canaries(Context& context, const char* call);
void free_all_memory(Context& context);

// ---- modules --------------------------------------------------------------------------------------------

// The entries of a PTX text; false if it is none.
bool parse_ptx(const std::string& text, std::map<std::string, EntryInfo>& entries);
