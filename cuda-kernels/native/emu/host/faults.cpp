// A wild access in a kernel ends that launch, not the process. Faults of any other thread go on to whoever
// handled them before: in a JVM the JVM, which uses SIGSEGV for its own null checks.
#include "worker.h"

#include <csignal>
#include <mutex>

namespace cuhost {

namespace {

struct sigaction previous_segv;
struct sigaction previous_bus;

void pass_on(int signal_number, siginfo_t* info, void* context) {
  const struct sigaction& previous = signal_number == SIGSEGV ? previous_segv : previous_bus;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal_number, info, context);
  } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  } else {
    previous.sa_handler(signal_number);
  }
}

void on_fault(int signal_number, siginfo_t* info, void* context) {
  if (!current_worker || !current) {
    pass_on(signal_number, info, context);
    return;
  }
  // The handler is left by a switch, not by a return, which would have done this.
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
  fail(Fault::illegal_address, "illegal memory access at %p", info->si_addr);
}

}  // namespace

void catch_faults() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
  });
}

}  // namespace cuhost
