// Streams and events. A stream is a queue; in the eager mode it never holds anything.
#include "settings.h"
#include "state.h"

#include <algorithm>
#include <chrono>

namespace {

constexpr unsigned stream_non_blocking = 1;
constexpr unsigned event_disable_timing = 2;

double now() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(time).count();
}

bool exists(const Context& context, const Stream* stream) {
  return std::find(context.streams.begin(), context.streams.end(), stream) != context.streams.end();
}

Event* event_of(void* handle) {
  auto* event = static_cast<Event*>(handle);
  return current_context->events.count(event) ? event : nullptr;
}

}  // namespace

Stream* stream_of(void* handle) {
  bool legacy = reinterpret_cast<uintptr_t>(handle) <= 2;
  if (legacy) return &current_context->legacy;
  auto* stream = static_cast<Stream*>(handle);
  return exists(*current_context, stream) ? stream : nullptr;
}

// ---- the queue ------------------------------------------------------------------------------------------

namespace {

void run_next(Stream& stream) {
  Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  Context& context = *stream.context;
  // After a fault nothing runs any more.
  if (!context.sticky) context.sticky = work();
}

// Streams that nothing orders may run in any order: the schedule that is set decides here too.
std::vector<Stream*> in_order(const Context& context) {
  std::vector<Stream*> streams = context.streams;
  if (settings().launch.schedule == cuhost::Schedule::reverse) std::reverse(streams.begin(), streams.end());
  return streams;
}

// Runs a stream as far as a recording of an event, and no further.
CUresult run_until(Stream* source, const Recordings& recordings, uint64_t wanted) {
  // A stream that is gone has run all its work, so that its recordings are reached.
  while (recordings.reached < wanted && !source->queue.empty()) run_next(*source);
  return recordings.reached < wanted ? source->context->sticky : CUDA_SUCCESS;
}

CUresult run_until_done(Event& event) {
  if (event.done()) return CUDA_SUCCESS;
  return run_until(event.stream, *event.recordings, event.recordings->wanted);
}

}  // namespace

CUresult drain(Stream& stream) {
  while (!stream.queue.empty()) run_next(stream);
  return stream.context->sticky;
}

void drain_legacy(Context& context) {
  drain(context.legacy);
  for (Stream* stream : in_order(context)) {
    if (stream->blocking) drain(*stream);
  }
}

CUresult drain_context(Context& context) {
  for (Stream* stream : in_order(context)) drain(*stream);
  return drain(context.legacy);
}

void drain_everything() {
  for (Context* context : all_contexts()) drain_context(*context);
}

CUresult enqueue(Stream& stream, Work work) {
  Context& context = *stream.context;
  if (context.sticky) return context.sticky;
  if (&stream == &context.legacy) {
    for (Stream* other : in_order(context)) {
      if (other->blocking) drain(*other);
    }
  } else if (stream.blocking) {
    drain(context.legacy);
  }
  stream.queue.push_back(std::move(work));
  if (!settings().asynchronous) drain(stream);
  return CUDA_SUCCESS;
}

// ---- streams --------------------------------------------------------------------------------------------

API CUresult cuStreamCreateWithPriority(void** handle, unsigned flags, int priority) {
  REQUIRE_CONTEXT;
  if (flags & ~stream_non_blocking) return CUDA_ERROR_INVALID_VALUE;
  auto* stream = new Stream;
  stream->context = current_context;
  stream->blocking = !(flags & stream_non_blocking);
  stream->priority = std::min(0, std::max(-5, priority));
  current_context->streams.push_back(stream);
  *handle = stream;
  return CUDA_SUCCESS;
}

API CUresult cuStreamCreate(void** handle, unsigned flags) { return cuStreamCreateWithPriority(handle, flags, 0); }

API CUresult cuStreamGetPriority(void* handle, int* priority) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  *priority = stream->priority;
  return CUDA_SUCCESS;
}

API CUresult cuStreamGetFlags(void* handle, unsigned* flags) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  *flags = stream->blocking ? 0 : stream_non_blocking;
  return CUDA_SUCCESS;
}

// What is queued still runs, as on a device.
API CUresult cuStreamDestroy_v2(void* handle) {
  REQUIRE_CONTEXT;
  auto* stream = static_cast<Stream*>(handle);
  auto& streams = current_context->streams;
  if (!exists(*current_context, stream)) return CUDA_ERROR_INVALID_HANDLE;
  drain(*stream);
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  delete stream;
  return CUDA_SUCCESS;
}

API CUresult cuStreamSynchronize(void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  bool legacy = stream == &current_context->legacy;
  if (legacy) drain_legacy(*current_context);
  if (CUresult bad = drain(*stream)) return bad;
  return check_canaries(*current_context, "cuStreamSynchronize");
}

// Says once that work is on its way, and has it done: programs that ask again and again come to an end.
API CUresult cuStreamQuery(void* handle) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->queue.empty()) return CUDA_SUCCESS;
  CUresult bad = drain(*stream);
  return bad ? bad : CUDA_ERROR_NOT_READY;
}

API CUresult cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  Event* event = event_of(event_handle);
  if (!stream || !event) return CUDA_ERROR_INVALID_HANDLE;
  if (event->done()) return CUDA_SUCCESS;
  // What was recorded so far is waited for, not what may be recorded under this event later.
  Stream* source = event->stream;
  std::shared_ptr<Recordings> recordings = event->recordings;
  uint64_t wanted = recordings->wanted;
  return enqueue(*stream, [=] { return run_until(source, *recordings, wanted); });
}

API CUresult cuLaunchHostFunc(void* handle, void (*function)(void*), void* data) {
  REQUIRE_CONTEXT;
  Stream* stream = stream_of(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  return enqueue(*stream, [=] {
    function(data);
    return CUDA_SUCCESS;
  });
}

// ---- events ---------------------------------------------------------------------------------------------

API CUresult cuEventCreate(void** handle, unsigned flags) {
  REQUIRE_CONTEXT;
  auto* event = new Event;
  event->timing = !(flags & event_disable_timing);
  current_context->events.insert(event);
  *handle = event;
  return CUDA_SUCCESS;
}

API CUresult cuEventDestroy_v2(void* handle) {
  REQUIRE_CONTEXT;
  Event* event = event_of(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  current_context->events.erase(event);
  delete event;
  return CUDA_SUCCESS;
}

API CUresult cuEventRecord(void* handle, void* stream_handle) {
  REQUIRE_CONTEXT;
  Event* event = event_of(handle);
  Stream* stream = stream_of(stream_handle);
  if (!event || !stream) return CUDA_ERROR_INVALID_HANDLE;
  event->stream = stream;
  std::shared_ptr<Recordings> recordings = event->recordings;
  uint64_t number = ++recordings->wanted;
  return enqueue(*stream, [=] {
    recordings->reached = number;
    recordings->milliseconds = now();
    return CUDA_SUCCESS;
  });
}

API CUresult cuEventRecordWithFlags(void* handle, void* stream, unsigned) { return cuEventRecord(handle, stream); }

API CUresult cuEventSynchronize(void* handle) {
  REQUIRE_CONTEXT;
  Event* event = event_of(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  return run_until_done(*event);
}

API CUresult cuEventQuery(void* handle) {
  REQUIRE_CONTEXT;
  Event* event = event_of(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (event->done()) return CUDA_SUCCESS;
  CUresult bad = run_until_done(*event);
  return bad ? bad : CUDA_ERROR_NOT_READY;
}

API CUresult cuEventElapsedTime(float* milliseconds, void* start_handle, void* end_handle) {
  REQUIRE_CONTEXT;
  Event* start = event_of(start_handle);
  Event* end = event_of(end_handle);
  if (!start || !end || !start->timing || !end->timing) return CUDA_ERROR_INVALID_HANDLE;
  if (!start->recordings->wanted || !end->recordings->wanted) return CUDA_ERROR_INVALID_HANDLE;
  if (!start->done() || !end->done()) return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->recordings->milliseconds - start->recordings->milliseconds);
  return CUDA_SUCCESS;
}
