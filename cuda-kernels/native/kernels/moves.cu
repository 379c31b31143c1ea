// Copies with conversion, filling, choosing and comparing: every element type, any strides.
#include "dev.cuh"

#include "places.cuh"

namespace moves {

using namespace dv;

// In the order of dev.theriac.tensor.DType.
enum Type { F32, BF16, F16, I64, I32, U8, I8, BOOL };

// In the order of dev.theriac.backend.CompareKind.
enum Compare { EQ, NE, LT, LE, GT, GE };

DV bool is_floating(int type) { return type <= F16; }

template <class T, class Value>
DV void read4(const void* base, const long long (&at)[4], Value (&values)[4]) {
#pragma unroll
  for (int j = 0; j < 4; j++) values[j] = Value(static_cast<const T*>(base)[at[j]]);
}

template <class T>
DV void read4_half(const void* base, const long long (&at)[4], float (&values)[4]) {
#pragma unroll
  for (int j = 0; j < 4; j++) values[j] = to_f32(static_cast<const T*>(base)[at[j]]);
}

DV void read_floats(int type, const void* base, const long long (&at)[4], float (&values)[4]) {
  switch (type) {
    case F32:
      return read4<float>(base, at, values);
    case BF16:
      return read4_half<bf16>(base, at, values);
    default:
      return read4_half<f16>(base, at, values);
  }
}

DV void read_integers(int type, const void* base, const long long (&at)[4], long long (&values)[4]) {
  switch (type) {
    case I64:
      return read4<long long>(base, at, values);
    case I32:
      return read4<int>(base, at, values);
    case U8:
      return read4<unsigned char>(base, at, values);
    default:
      return read4<signed char>(base, at, values);
  }
}

// As a cast in Java: towards zero, NaN is 0, the nearest number of 64 bits for what does not fit.
DV long long to_integer(float value) {
  if (value != value) return 0;
  if (value >= 0x1p63f) return 0x7fffffffffffffffLL;
  if (value < -0x1p63f) return -0x7fffffffffffffffLL - 1;
  return (long long)value;
}

template <class T, class Value>
DV void write4(void* base, const long long (&at)[4], int size, const Value (&values)[4]) {
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (j < size) static_cast<T*>(base)[at[j]] = T(values[j]);
  }
}

template <class T>
DV void write4_half(void* base, const long long (&at)[4], int size, const float (&values)[4]) {
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (j < size) static_cast<T*>(base)[at[j]] = from_f32<T>(values[j]);
  }
}

DV void write_floats(int type, void* base, const long long (&at)[4], int size, const float (&values)[4]) {
  switch (type) {
    case F32:
      return write4<float>(base, at, size, values);
    case BF16:
      return write4_half<bf16>(base, at, size, values);
    default:
      return write4_half<f16>(base, at, size, values);
  }
}

// Wraps.
DV void write_integers(int type, void* base, const long long (&at)[4], int size, const long long (&values)[4]) {
  switch (type) {
    case I64:
      return write4<long long>(base, at, size, values);
    case I32:
      return write4<unsigned>(base, at, size, values);
    default:
      return write4<unsigned char>(base, at, size, values);
  }
}

template <class T>
DV bool holds(int kind, T a, T b) {
  switch (kind) {
    case EQ:
      return a == b;
    case NE:
      return a != b;
    case LT:
      return a < b;
    case LE:
      return a <= b;
    case GT:
      return a > b;
    default:
      return a >= b;
  }
}

template <class T>
DV void choose(const unsigned char* condition, const void* a, const void* b, void* out, const Places<4>& places,
               long long count) {
  Share share = share_of(count, false);
  if (share.size == 0) return;
  long long at[4][4];
  locate_share(places, count, share, at);
  T values[4];
#pragma unroll
  for (int j = 0; j < 4; j++) {
    const T* from = condition[at[0][j]] ? static_cast<const T*>(a) + at[1][j] : static_cast<const T*>(b) + at[2][j];
    values[j] = *from;
  }
  write4<T>(out, at[3], share.size, values);
}

template <class T>
DV void move(const void* x, void* out, const Places<2>& places, long long count) {
  Share share = share_of(count, false);
  if (share.size == 0) return;
  long long at[2][4];
  locate_share(places, count, share, at);
  T values[4];
  read4<T>(x, at[0], values);
  write4<T>(out, at[1], share.size, values);
}

template <class T>
DV void set(void* out, const Places<1>& places, long long count, long long bits) {
  Share share = share_of(count, false);
  if (share.size == 0) return;
  long long at[1][4];
  locate_share(places, count, share, at);
  T values[4] = {T(bits), T(bits), T(bits), T(bits)};
  write4<T>(out, at[0], share.size, values);
}

// out is bytes of 0 and 1; a and b have one type.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_compare(int kind, int type, const void* a, const void* b, unsigned char* out,
                        const __grid_constant__ Places<3> places, long long count) {
  Share share = share_of(count, false);
  if (share.size == 0) return;
  long long at[3][4];
  locate_share(places, count, share, at);
  bool results[4];
  if (is_floating(type)) {
    float left[4];
    float right[4];
    read_floats(type, a, at[0], left);
    read_floats(type, b, at[1], right);
#pragma unroll
    for (int j = 0; j < 4; j++) results[j] = holds(kind, left[j], right[j]);
  } else {
    long long left[4];
    long long right[4];
    read_integers(type, a, at[0], left);
    read_integers(type, b, at[1], right);
#pragma unroll
    for (int j = 0; j < 4; j++) results[j] = holds(kind, left[j], right[j]);
  }
  write4<unsigned char>(out, at[2], share.size, results);
}
CU_EXPORT(elementwise_compare);

// out = condition ? a : b, for elements of so many bytes.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_where(int bytes, const unsigned char* condition, const void* a, const void* b, void* out,
                      const __grid_constant__ Places<4> places, long long count) {
  switch (bytes) {
    case 1:
      return choose<unsigned char>(condition, a, b, out, places, count);
    case 2:
      return choose<unsigned short>(condition, a, b, out, places, count);
    case 4:
      return choose<unsigned>(condition, a, b, out, places, count);
    default:
      return choose<unsigned long long>(condition, a, b, out, places, count);
  }
}
CU_EXPORT(elementwise_where);

// Copies bits, for elements of so many bytes.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_copy(int bytes, const void* x, void* out, const __grid_constant__ Places<2> places, long long count) {
  switch (bytes) {
    case 1:
      return move<unsigned char>(x, out, places, count);
    case 2:
      return move<unsigned short>(x, out, places, count);
    case 4:
      return move<unsigned>(x, out, places, count);
    default:
      return move<unsigned long long>(x, out, places, count);
  }
}
CU_EXPORT(elementwise_copy);

// Copies with conversion between two types: integers by way of 64 bits, the rest by way of float; BOOL is
// whether an element is not zero.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_convert(int from, const void* x, int to, void* out, const __grid_constant__ Places<2> places,
                        long long count) {
  Share share = share_of(count, false);
  if (share.size == 0) return;
  long long at[2][4];
  locate_share(places, count, share, at);
  float numbers[4];
  long long integers[4];
  if (is_floating(from)) {
    read_floats(from, x, at[0], numbers);
#pragma unroll
    for (int j = 0; j < 4; j++) integers[j] = to == BOOL ? numbers[j] != 0 : to_integer(numbers[j]);
  } else {
    read_integers(from, x, at[0], integers);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      numbers[j] = float(integers[j]);
      if (to == BOOL) integers[j] = integers[j] != 0;
    }
  }
  if (is_floating(to)) {
    write_floats(to, out, at[1], share.size, numbers);
  } else {
    write_integers(to, out, at[1], share.size, integers);
  }
}
CU_EXPORT(elementwise_convert);

// Sets elements of so many bytes to the low bits of a number.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_fill(int bytes, void* out, long long bits, const __grid_constant__ Places<1> places, long long count) {
  switch (bytes) {
    case 1:
      return set<unsigned char>(out, places, count, bits);
    case 2:
      return set<unsigned short>(out, places, count, bits);
    case 4:
      return set<unsigned>(out, places, count, bits);
    default:
      return set<unsigned long long>(out, places, count, bits);
  }
}
CU_EXPORT(elementwise_fill);

}  // namespace moves
