// Where the elements of N tensors of one shape lie, and how threads share them: a block of 256 threads takes
// 1024 elements, a thread four of them.
#pragma once

namespace dv {

constexpr int block_threads = 256;

// Strides in elements. Where quads are read, the last dimension counts fours.
template <int N>
struct Places {
  long long rank;  // at least 1
  long long shape[8];
  long long stride[N][8];
};

// The first of this thread's elements, for accesses one element at a time: neighbours in neighbouring threads,
// the thread's next element a block further.
DV long long element_index() { return (long long)blockIdx.x * (4 * block_threads) + threadIdx.x; }

// The four neighbouring elements of this thread, as an index of fours.
DV long long quad_index() { return (long long)blockIdx.x * block_threads + threadIdx.x; }

// The J elements with the row-major indices first, first + step, ...; indices beyond the last are taken for it.
// Index is unsigned where it holds the count: divisions of 32 bits are far cheaper.
template <class Index, int N, int J>
DV void locate_as(const Places<N>& places, long long count, long long first, long long step, long long (&at)[N][J]) {
  Index rest[J];
#pragma unroll
  for (int j = 0; j < J; j++) {
    long long i = first + j * step;
    rest[j] = Index(i < count ? i : count - 1);
#pragma unroll
    for (int n = 0; n < N; n++) at[n][j] = 0;
  }
#pragma unroll 1
  for (int d = int(places.rank) - 1; d > 0; d--) {
    Index size = Index(places.shape[d]);
#pragma unroll
    for (int j = 0; j < J; j++) {
      Index next = rest[j] / size;
      long long index = (long long)(rest[j] - next * size);
      rest[j] = next;
#pragma unroll
      for (int n = 0; n < N; n++) at[n][j] += index * places.stride[n][d];
    }
  }
#pragma unroll
  for (int j = 0; j < J; j++) {
#pragma unroll
    for (int n = 0; n < N; n++) at[n][j] += (long long)rest[j] * places.stride[n][0];
  }
}

template <int N, int J>
DV void locate(const Places<N>& places, long long count, long long first, long long step, long long (&at)[N][J]) {
  if (count <= 0xffffffffLL) {
    locate_as<unsigned>(places, count, first, step, at);
  } else {
    locate_as<unsigned long long>(places, count, first, step, at);
  }
}

// This thread's elements: neighbours where quads are used, else a block apart from each other.
struct Share {
  long long first;
  long long step;
  int size;  // 0 to 4
};

DV Share share_of(long long count, bool quads) {
  Share share;
  share.first = quads ? 4 * quad_index() : element_index();
  share.step = quads ? 1 : block_threads;
  share.size = 0;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (share.first + j * share.step < count) share.size = j + 1;
  }
  return share;
}

// Where this thread's elements of every tensor are, one element at a time.
template <int N>
DV void locate_share(const Places<N>& places, long long count, const Share& share, long long (&at)[N][4]) {
  locate(places, count, share.first, share.step, at);
}

// Reads this thread's elements of N float tensors; elements beyond the share are 0. With quads, the last
// dimension of each tensor has stride 4 (four floats at an aligned address) or 0 (one value four times), and
// only a shape of one dimension may end in a part of four.
template <int N>
DV void read_share(const float* const (&base)[N], const Places<N>& places, long long count, bool quads,
                   const Share& share, float (&values)[N][4]) {
  if (quads) {
    long long at[N][1];
    locate(places, (count + 3) / 4, quad_index(), 0, at);
#pragma unroll
    for (int n = 0; n < N; n++) {
      const float* source = base[n] + at[n][0];
      if (places.stride[n][places.rank - 1] == 0) {
        float value = source[0];
#pragma unroll
        for (int j = 0; j < 4; j++) values[n][j] = value;
      } else if (share.size == 4) {
        float4 four = *reinterpret_cast<const float4*>(source);
        values[n][0] = four.x;
        values[n][1] = four.y;
        values[n][2] = four.z;
        values[n][3] = four.w;
      } else {
#pragma unroll
        for (int j = 0; j < 4; j++) values[n][j] = j < share.size ? source[j] : 0.0f;
      }
    }
  } else {
    long long at[N][4];
    locate_share(places, count, share, at);
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int j = 0; j < 4; j++) values[n][j] = j < share.size ? base[n][at[n][j]] : 0.0f;
    }
  }
}

// Writes to a contiguous tensor, which is aligned to 16 bytes if quads are used.
DV void write_share(float* out, bool quads, const Share& share, const float (&values)[4]) {
  if (quads && share.size == 4) {
    *reinterpret_cast<float4*>(out + share.first) = make_float4(values[0], values[1], values[2], values[3]);
    return;
  }
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (j < share.size) out[share.first + j * share.step] = values[j];
  }
}

// One function for each of four values.
template <class Function>
DV void map4(float (&values)[4], Function function) {
#pragma unroll
  for (int j = 0; j < 4; j++) values[j] = function(values[j]);
}

template <class Function>
DV void map4(float (&a)[4], const float (&b)[4], Function function) {
#pragma unroll
  for (int j = 0; j < 4; j++) a[j] = function(a[j], b[j]);
}

}  // namespace dv
