// Switching between fibers: stacks that take turns on one thread of the operating system.
#pragma once
#include <cstddef>

namespace cuhost {

// Leaves the running fiber, whose state goes to *save, and continues `to`.
extern "C" void cuhost_switch(void** save, void* to);

// A fiber that will run entry() on the stack from `bottom` up to `top`; what cuhost_switch takes.
void* prepare_fiber(char* bottom, char* top, void (*entry)());

}  // namespace cuhost
