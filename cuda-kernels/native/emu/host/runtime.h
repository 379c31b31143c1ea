// What a running kernel sees of the runtime: its thread, its warp, and how lanes meet.
#pragma once

namespace cuhost {

// What lanes can meet for; those of one mask must agree on it.
enum Operation {
  OP_SYNCWARP = 1,
  OP_SHFL,
  OP_BALLOT,
  OP_MMA_BF16,
  OP_MMA_TF32,
  OP_LDMATRIX,
  OP_REDUCE,
  OP_MATCH,
  OP_WGMMA,
  OPERATION_COUNT
};

// Lanes of one mask on their way to one operation.
struct Meeting {
  uint32_t mask = 0;
  uint32_t arrived = 0;
  int operation = 0;
};

struct Warp {
  uint32_t all = 0;       // lanes that exist
  uint32_t live = 0;      // lanes that have not returned
  uint32_t runnable = 0;  // lanes that wait for nothing
  Meeting meetings[8];
  alignas(64) unsigned char in[32][64];
  alignas(64) unsigned char out[32][64];
};

struct Worker;
struct CopyQueue;

struct Thread {
  uint3 thread_index;
  uint3 block_index;
  dim3 block_size;
  dim3 grid_size;
  int lane = 0;
  int state = 0;
  int waits_for = 0;  // the operation, while it waits in a warp
  int warp_index = 0;
  Warp* warp = nullptr;
  Worker* worker = nullptr;
  CopyQueue* copies = nullptr;
  void* stack_pointer = nullptr;
  void* stack = nullptr;
  unsigned char* dynamic_shared = nullptr;
  unsigned dynamic_bytes = 0;
};

// Four warps that meet for one operation. The pointers lead into the stacks of the waiting fibers.
struct Warpgroup {
  int arrived = 0;
  int operation = 0;
  const void* in[128];
  void* out[128];
};

extern thread_local Thread* current;

enum class Fault { failed, illegal_address, misaligned_address };

// Ends the launch with a message that names kernel, block and thread.
[[noreturn]] __attribute__((format(printf, 2, 3))) void fail(Fault fault, const char* format, ...);

// True for the last lane of the mask, which then computes for all; the others block.
bool warp_arrive(uint32_t mask, int operation);
void warp_block(int operation);
void warp_release(uint32_t mask);

// The group for its last thread, which then computes for all; null to the others, once that is done.
Warpgroup* warpgroup_arrive(const void* in, void* out, int operation);
void warpgroup_release();

struct BarrierResult {
  int threads;  // that met
  int counted;  // of them with a predicate that holds
};
BarrierResult block_barrier(bool predicate);

void copy_async(void* target, const void* source, unsigned bytes, unsigned source_bytes);
void copy_commit();
void copy_wait(int pending_groups_allowed);

template <class T>
inline const T& input(Warp& warp, int lane) {
  return *reinterpret_cast<const T*>(warp.in[lane]);
}

template <class T>
inline T& output(Warp& warp, int lane) {
  return *reinterpret_cast<T*>(warp.out[lane]);
}

// Every warp operation: lanes leave their inputs, the last one computes all outputs.
template <class In, class Out, class Compute>
inline Out collective(uint32_t mask, int operation, const In& in, Compute&& compute) {
  static_assert(sizeof(In) <= sizeof(Warp::in[0]) && sizeof(Out) <= sizeof(Warp::out[0]));
  Thread* self = current;
  Warp& warp = *self->warp;
  std::memcpy(warp.in[self->lane], &in, sizeof in);
  if (warp_arrive(mask, operation)) {
    compute(warp);
    warp_release(mask);
  } else {
    warp_block(operation);
  }
  Out out;
  std::memcpy(&out, warp.out[self->lane], sizeof out);
  return out;
}

}  // namespace cuhost

#define threadIdx (::cuhost::current->thread_index)
#define blockIdx (::cuhost::current->block_index)
#define blockDim (::cuhost::current->block_size)
#define gridDim (::cuhost::current->grid_size)
constexpr int warpSize = 32;
