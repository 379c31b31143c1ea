// Atomic operations on integers. Those on floats are left out on purpose: their sums depend on the order in
// which threads arrive, and results of this library do not.
#pragma once

namespace cuhost {

template <class T>
constexpr bool atomic_type = std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);

// *address = change(*address); what was there before.
template <class T, class Change>
inline T atomic_update(T* address, Change change) {
  static_assert(atomic_type<T>, "atomics are for integers of 32 and 64 bits");
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &old, change(old), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}

// Takes no part in deduction: the literal 1 may be added to a counter of any type.
template <class T>
struct Plain {
  using type = T;
};

}  // namespace cuhost

template <class T>
inline T atomicAdd(T* address, typename ::cuhost::Plain<T>::type value) {
  static_assert(::cuhost::atomic_type<T>, "atomics are for integers of 32 and 64 bits");
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}

template <class T>
inline T atomicSub(T* address, typename ::cuhost::Plain<T>::type value) {
  static_assert(::cuhost::atomic_type<T>, "atomics are for integers of 32 and 64 bits");
  return __atomic_fetch_sub(address, value, __ATOMIC_RELAXED);
}

template <class T>
inline T atomicExch(T* address, typename ::cuhost::Plain<T>::type value) {
  static_assert(::cuhost::atomic_type<T>, "atomics are for integers of 32 and 64 bits");
  return __atomic_exchange_n(address, value, __ATOMIC_RELAXED);
}

template <class T>
inline T atomicMax(T* address, typename ::cuhost::Plain<T>::type value) {
  return ::cuhost::atomic_update(address, [=](T old) { return old < value ? value : old; });
}

template <class T>
inline T atomicMin(T* address, typename ::cuhost::Plain<T>::type value) {
  return ::cuhost::atomic_update(address, [=](T old) { return value < old ? value : old; });
}

template <class T>
inline T atomicOr(T* address, typename ::cuhost::Plain<T>::type value) {
  return ::cuhost::atomic_update(address, [=](T old) { return T(old | value); });
}

template <class T>
inline T atomicAnd(T* address, typename ::cuhost::Plain<T>::type value) {
  return ::cuhost::atomic_update(address, [=](T old) { return T(old & value); });
}

template <class T>
inline T atomicXor(T* address, typename ::cuhost::Plain<T>::type value) {
  return ::cuhost::atomic_update(address, [=](T old) { return T(old ^ value); });
}

template <class T>
inline T atomicCAS(T* address, typename ::cuhost::Plain<T>::type expected, typename ::cuhost::Plain<T>::type value) {
  static_assert(::cuhost::atomic_type<T>, "atomics are for integers of 32 and 64 bits");
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
