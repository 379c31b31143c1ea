// Three ways to switch: by hand on x86-64 and aarch64 (about 5 ns), by ucontext elsewhere or where
// CUHOST_UCONTEXT is defined (a system call per switch, 100 times slower).
#include "fiber.h"

#include <cstdint>
#include <cstring>

#if defined(CUHOST_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))
#include <ucontext.h>

namespace cuhost {

extern "C" void cuhost_switch(void** save, void* to) {
  ucontext_t self;
  *save = &self;
  swapcontext(&self, static_cast<ucontext_t*>(to));
}

void* prepare_fiber(char* bottom, char* top, void (*entry)()) {
  // The context itself lies at the bottom of the stack, far from where the stack grows.
  auto* context = reinterpret_cast<ucontext_t*>(bottom);
  getcontext(context);
  context->uc_stack.ss_sp = bottom + sizeof(ucontext_t);
  context->uc_stack.ss_size = size_t(top - bottom) - sizeof(ucontext_t);
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}

}  // namespace cuhost

#elif defined(__x86_64__)

// Saves what a called function must keep (System V ABI). Floating-point modes are never changed.
asm(R"(
.text
.globl cuhost_switch
.hidden cuhost_switch
.type cuhost_switch,@function
cuhost_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuhost_switch,.-cuhost_switch
)");

namespace cuhost {

void* prepare_fiber(char*, char* top, void (*entry)()) {
  constexpr int saved_registers = 6;
  // A function expects the stack as a call leaves it: 8 bytes below a multiple of 16.
  uintptr_t aligned = (reinterpret_cast<uintptr_t>(top) & ~uintptr_t(15)) - 8;
  void** stack = reinterpret_cast<void**>(aligned);
  *stack = nullptr;
  *--stack = reinterpret_cast<void*>(entry);
  for (int i = 0; i < saved_registers; i++) *--stack = nullptr;
  return stack;
}

}  // namespace cuhost

#else

// Saves what a called function must keep (AAPCS64): x19 to x30, and the low halves of v8 to v15.
asm(R"(
.text
.globl cuhost_switch
.hidden cuhost_switch
.type cuhost_switch,%function
cuhost_switch:
  sub sp,sp,#160
  stp x19,x20,[sp,#0]
  stp x21,x22,[sp,#16]
  stp x23,x24,[sp,#32]
  stp x25,x26,[sp,#48]
  stp x27,x28,[sp,#64]
  stp x29,x30,[sp,#80]
  stp d8,d9,[sp,#96]
  stp d10,d11,[sp,#112]
  stp d12,d13,[sp,#128]
  stp d14,d15,[sp,#144]
  mov x9,sp
  str x9,[x0]
  mov sp,x1
  ldp x19,x20,[sp,#0]
  ldp x21,x22,[sp,#16]
  ldp x23,x24,[sp,#32]
  ldp x25,x26,[sp,#48]
  ldp x27,x28,[sp,#64]
  ldp x29,x30,[sp,#80]
  ldp d8,d9,[sp,#96]
  ldp d10,d11,[sp,#112]
  ldp d12,d13,[sp,#128]
  ldp d14,d15,[sp,#144]
  add sp,sp,#160
  ret
.size cuhost_switch,.-cuhost_switch
)");

namespace cuhost {

void* prepare_fiber(char*, char* top, void (*entry)()) {
  constexpr size_t frame = 160;
  constexpr int return_address = 11;  // x30, in words from the bottom of the frame
  uintptr_t stack = (reinterpret_cast<uintptr_t>(top) & ~uintptr_t(15)) - frame;
  std::memset(reinterpret_cast<void*>(stack), 0, frame);
  reinterpret_cast<void**>(stack)[return_address] = reinterpret_cast<void*>(entry);
  return reinterpret_cast<void*>(stack);
}

}  // namespace cuhost

#endif

// Without this note the linker asks for executable stacks, and the JVM warns.
asm(".section .note.GNU-stack,\"\",%progbits\n.text");
