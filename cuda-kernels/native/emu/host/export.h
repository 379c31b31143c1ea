// CU_EXPORT(kernel): makes a kernel known to the emulated driver, with the sizes of its parameters.
#pragma once
#include "../kernel_abi.h"

namespace cuhost {

template <auto Kernel>
struct Export;

template <class... Parameters, void (*Kernel)(Parameters...)>
struct Export<Kernel> {
  static_assert(sizeof...(Parameters) <= 64, "the mask of pointers has 64 bits");

  template <size_t... Index>
  static void call(void** arguments, std::index_sequence<Index...>) {
    Kernel(*reinterpret_cast<std::remove_reference_t<Parameters>*>(arguments[Index])...);
  }

  static void invoke(void** arguments) { call(arguments, std::index_sequence_for<Parameters...>{}); }

  static constexpr uint64_t pointers() {
    uint64_t mask = 0;
    int index = 0;
    ((mask |= uint64_t(std::is_pointer_v<Parameters>) << index++), ...);
    return mask;
  }

  static constexpr int count = int(sizeof...(Parameters));
  static constexpr unsigned sizes[sizeof...(Parameters) + 1] = {unsigned(sizeof(Parameters))..., 0};
};

struct Registration {
  explicit Registration(const KernelDescription& kernel);
};

}  // namespace cuhost

#define CU_EXPORT(kernel)                                                                       \
  static ::cuhost::Registration cuhost_registration_##kernel {                                  \
    ::cuhost::KernelDescription {                                                               \
      #kernel, &::cuhost::Export<&kernel>::invoke, ::cuhost::Export<&kernel>::count,            \
          ::cuhost::Export<&kernel>::sizes, ::cuhost::Export<&kernel>::pointers()               \
    }                                                                                           \
  }
