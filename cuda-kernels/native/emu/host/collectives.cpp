// Lanes of a warp that meet, warps of a warpgroup that meet, and copies that end later than they begin.
#include "worker.h"

namespace cuhost {

const char* operation_name(int operation) {
  static const char* const names[OPERATION_COUNT] = {"?",       "__syncwarp", "__shfl_*_sync",  "a vote",        "mma (bf16)",
                                                     "mma (tf32)", "ldmatrix",   "__reduce_*_sync", "__match_*_sync", "wgmma"};
  return operation > 0 && operation < OPERATION_COUNT ? names[operation] : names[0];
}

// ---- warps --------------------------------------------------------------------------------------------

namespace {

// The meeting of this mask, which may be new. Others may be under way: a part of a warp may meet by itself while
// the rest already waits for all. But a lane that waits for one that waits for it is an error.
Meeting& meeting_of(Warp& warp, uint32_t lane, uint32_t mask, int operation) {
  Meeting* unused = nullptr;
  for (Meeting& meeting : warp.meetings) {
    if (!meeting.arrived) {
      if (!unused) unused = &meeting;
      continue;
    }
    if (meeting.mask == mask) return meeting;
    if ((meeting.mask & lane) && (meeting.arrived & mask)) {
      fail(Fault::failed, "%s: mask %08x names lanes that wait for this one in %s, under mask %08x",
           operation_name(operation), mask, operation_name(meeting.operation), meeting.mask);
    }
  }
  if (!unused) fail(Fault::failed, "%s: too many groups of lanes wait in this warp", operation_name(operation));
  unused->mask = mask;
  unused->operation = operation;
  return *unused;
}

}  // namespace

bool warp_arrive(uint32_t mask, int operation) {
  Thread* self = current;
  Warp& warp = *self->warp;
  uint32_t lane = 1u << self->lane;
  if (!(mask & lane)) {
    fail(Fault::failed, "%s: mask %08x does not name the calling lane %d", operation_name(operation), mask, self->lane);
  }
  // Lanes that a partial last warp never had do not count, as on a GPU.
  mask &= warp.all;
  if (mask & ~warp.live) {
    fail(Fault::failed, "%s: mask %08x names lanes that have returned; %08x are left", operation_name(operation), mask,
         warp.live);
  }
  Meeting& meeting = meeting_of(warp, lane, mask, operation);
  if (meeting.operation != operation) {
    fail(Fault::failed, "lanes of mask %08x disagree: some are in %s, others in %s", mask,
         operation_name(meeting.operation), operation_name(operation));
  }
  meeting.arrived |= lane;
  if (meeting.arrived != mask) return false;
  meeting.arrived = 0;
  return true;
}

void warp_release(uint32_t mask) {
  Warp& warp = *current->warp;
  warp.runnable |= mask & warp.all;
}

void warp_block(int operation) {
  Thread* self = current;
  self->waits_for = operation;
  self->worker->wait(self, WAITS_FOR_WARP);
}

// ---- warpgroups ---------------------------------------------------------------------------------------

Warpgroup* warpgroup_arrive(const void* in, void* out, int operation) {
  Thread* self = current;
  Warpgroup& group = self->worker->groups[self->warp_index / 4];
  if (group.arrived && group.operation != operation) fail(Fault::failed, "threads of a warpgroup disagree");
  int index = self->warp_index % 4 * 32 + self->lane;
  group.operation = operation;
  group.in[index] = in;
  group.out[index] = out;
  group.arrived++;
  if (group.arrived == 128) {
    group.arrived = 0;
    return &group;
  }
  self->waits_for = operation;
  self->worker->wait(self, WAITS_FOR_GROUP);
  return nullptr;
}

void warpgroup_release() {
  Thread* self = current;
  int first = self->warp_index / 4 * 4;
  for (int i = first; i < first + 4; i++) {
    Warp& warp = self->worker->warps[size_t(i)];
    warp.runnable |= warp.live;
  }
}

// ---- cp.async -----------------------------------------------------------------------------------------

namespace {

void perform(const CopyQueue::Copy& copy) {
  std::memcpy(copy.target, copy.source, copy.bytes);
  std::memset(static_cast<char*>(copy.target) + copy.bytes, 0, copy.zeros);
}

}  // namespace

// Early copies show a buffer that is overwritten while others still read it; late ones, data that nobody
// waited for.
void copy_async(void* target, const void* source, unsigned bytes, unsigned source_bytes) {
  uintptr_t addresses = reinterpret_cast<uintptr_t>(target);
  if (source_bytes) addresses |= reinterpret_cast<uintptr_t>(source);
  if (addresses & (bytes - 1)) {
    fail(Fault::misaligned_address, "cp.async: %p or %p is not a multiple of %u", target, source, bytes);
  }
  Thread* self = current;
  CopyQueue::Copy copy{target, source, source_bytes, bytes - source_bytes};
  if (self->worker->request->options.early_copies) {
    perform(copy);
    return;
  }
  self->copies->copies.push_back(copy);
  self->copies->uncommitted++;
}

void copy_commit() {
  CopyQueue& queue = *current->copies;
  queue.groups.push_back(queue.uncommitted);
  queue.uncommitted = 0;
}

void copy_wait(int pending_groups_allowed) {
  CopyQueue& queue = *current->copies;
  int due = int(queue.groups.size()) - pending_groups_allowed;
  if (due <= 0) return;
  int count = 0;
  for (int i = 0; i < due; i++) count += queue.groups[size_t(i)];
  for (int i = 0; i < count; i++) perform(queue.copies[size_t(i)]);
  queue.copies.erase(queue.copies.begin(), queue.copies.begin() + count);
  queue.groups.erase(queue.groups.begin(), queue.groups.begin() + due);
}

}  // namespace cuhost
