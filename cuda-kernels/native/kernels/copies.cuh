// Copies from global to shared memory that go on while the thread computes (cp.async, sm_80).
//
//   for each tile: cp_async16(...) ...; cp_commit();
//   cp_wait<N>(): all but the last N committed groups of this thread have arrived
//   __syncthreads(): those of the other threads too
#pragma once

namespace dv {

#ifdef __CUDACC__
DV unsigned shared_address(const void* pointer) { return static_cast<unsigned>(__cvta_generic_to_shared(pointer)); }
#else
DV unsigned shared_address(const void* pointer) {
  return unsigned(static_cast<const unsigned char*>(pointer) - cuhost::current->dynamic_shared);
}
#endif

// 16 bytes; both addresses are multiples of 16. Where `valid` is false, 16 zeros, and `global` is not read.
DV void cp_async16(void* shared, const void* global, bool valid = true) {
#ifdef __CUDACC__
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
#else
  cuhost::copy_async(shared, global, 16, valid ? 16 : 0);
#endif
}

// 4 bytes, for rows that are not aligned to more.
DV void cp_async4(void* shared, const void* global, bool valid = true) {
#ifdef __CUDACC__
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 4 : 0)
               : "memory");
#else
  cuhost::copy_async(shared, global, 4, valid ? 4 : 0);
#endif
}

DV void cp_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  cuhost::copy_commit();
#endif
}

template <int PENDING>
DV void cp_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#else
  cuhost::copy_wait(PENDING);
#endif
}

}  // namespace dv
