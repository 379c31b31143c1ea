// How tiles of matrices come from global memory into shared memory.
#pragma once
#include "dev.cuh"

namespace gemm {

enum ElementType { TYPE_F32 = 0, TYPE_BF16 = 1, TYPE_F16 = 2 };

// One side of a product. Element (i, k), with i the row of the left or the column of the right matrix and k
// the summation index, is data[rows(i) * outer_stride + depths(k) * depth_stride], where a null index is the
// identity.
struct Operand {
  const void* data;
  const long long* rows;
  const long long* depths;
  long long outer_stride;
  long long depth_stride;
  long long outer;
  long long depth;
  int type;

  // Whether neighbours in memory are neighbours along i rather than along k.
  DV bool outer_fast() const { return outer_stride == 1 && depth_stride != 1 && !rows; }
};

DV int bytes_of(int type) { return type == TYPE_F32 ? 4 : 2; }

DV Operand operand(const void* data, int type, long long outer, long long depth, long long outer_stride,
                   long long depth_stride) {
  return {data, nullptr, nullptr, outer_stride, depth_stride, outer, depth, type};
}

// The part of one thread in a tile of OUTER x DEPTH elements: PER groups of four elements that lie next to each
// other along the faster dimension. fetch() reads them into registers, where they wait while the tile before
// them is multiplied; each() hands them to whoever puts them into shared memory. HALVES: whether the operand may
// be of a half type.
template <int OUTER, int DEPTH, int THREADS, bool HALVES>
struct Part {
  static constexpr int PER = OUTER * DEPTH / 4 / THREADS;
  static_assert(PER * 4 * THREADS == OUTER * DEPTH);

  const void* data;
  const long long* depths;
  long long start[PER];  // offset of the group's first element at k = 0, or -1: outside of the matrix
  long long step;
  long long depth;
  int room[PER];  // how many of a group's elements are inside, along i
  int type;
  bool across;  // groups lie along i
  bool four;    // groups may be read as one vector
  float value[PER][4];

  DV static int slot(int group) { return int(threadIdx.x) + group * THREADS; }
  DV int row(int group) const { return across ? slot(group) % (OUTER / 4) * 4 : slot(group) / (DEPTH / 4); }
  DV int column(int group) const { return across ? slot(group) / (OUTER / 4) : slot(group) % (DEPTH / 4) * 4; }

  // first: the tile's first i
  DV void open(const Operand& from, long long first) {
    data = from.data;
    depths = from.depths;
    step = from.depth_stride;
    depth = from.depth;
    type = from.type;
    across = from.outer_fast();
    bool close = across ? step % 4 == 0 : step == 1 && from.outer_stride % 4 == 0;
    four = close && (reinterpret_cast<uintptr_t>(data) & (4 * bytes_of(type) - 1)) == 0;
    if (!across && depths) four = false;
#pragma unroll
    for (int g = 0; g < PER; g++) {
      long long i = first + row(g);
      bool inside = i < from.outer;
      long long at = inside && from.rows ? from.rows[i] : i;
      start[g] = inside ? at * from.outer_stride : -1;
      room[g] = across ? int(min(4LL, from.outer - i)) : 4;
    }
  }

  // Reads the tile that begins at k = first; what is outside of the matrix is 0.
  DV void fetch(long long first) {
    if (!HALVES || type == TYPE_F32) {
      fetch_as<float>(first);
    } else if (type == TYPE_BF16) {
      fetch_as<dv::bf16>(first);
    } else {
      fetch_as<dv::f16>(first);
    }
  }

  template <class T>
  DV void fetch_as(long long first) {
    const T* from = static_cast<const T*>(data);
#pragma unroll
    for (int g = 0; g < PER; g++) {
      long long k = first + column(g);
      long long at = start[g];
      if (across) {
        bool inside = at >= 0 && k < depth;
        if (inside) at += (depths ? depths[k] : k) * step;
        if (inside && four && room[g] == 4) {
          take(g, dv::load4(from + at));
          continue;
        }
#pragma unroll
        for (int c = 0; c < 4; c++) value[g][c] = inside && c < room[g] ? dv::to_f32(from[at + c]) : 0.0f;
      } else {
        if (four && at >= 0 && k + 4 <= depth) {
          take(g, dv::load4(from + at + k));
          continue;
        }
#pragma unroll
        for (int c = 0; c < 4; c++) {
          bool inside = at >= 0 && k + c < depth;
          long long place = inside ? at + (depths ? depths[k + c] : k + c) * step : 0;
          value[g][c] = inside ? dv::to_f32(from[place]) : 0.0f;
        }
      }
    }
  }

  DV void take(int group, float4 four_values) {
    value[group][0] = four_values.x;
    value[group][1] = four_values.y;
    value[group][2] = four_values.z;
    value[group][3] = four_values.w;
  }

  // put(i, k, values): four values from element (i, k) of the tile on, along i where `across`
  template <class Put>
  DV void each(Put put) const {
#pragma unroll
    for (int g = 0; g < PER; g++) put(row(g), column(g), value[g]);
  }
};

}  // namespace gemm
