// How blocks find their rows, where rows belong to groups of sizes that only the device knows.
#pragma once
#include "dev.cuh"

namespace gemm {

struct GroupTile {
  long long group;
  long long first;
  long long end;  // of the group; not above first where there is nothing to do
};

// Tiles of BM rows get numbers such that those of group e begin at offsets[e] / BM + e. A group of n rows
// then has room for n / BM + 1 of them or more, which is enough, and there are offsets[groups] / BM + groups
// numbers in all: a bound that the host knows without the offsets. The beginnings ascend, so each block finds
// its group by bisection.
template <int BM>
DV GroupTile group_tile(const long long* offsets, long long groups, long long number) {
  long long low = 0;
  long long high = groups;
  while (high - low > 1) {
    long long middle = (low + high) / 2;
    if (offsets[middle] / BM + middle <= number) {
      low = middle;
    } else {
      high = middle;
    }
  }
  long long begin = offsets[low];
  return {low, begin + (number - begin / BM - low) * BM, offsets[low + 1]};
}

// The group of a row: the last one that begins at it or before and is not empty.
DV long long group_of_row(const long long* offsets, long long groups, long long row) {
  long long low = 0;
  long long high = groups;
  while (high - low > 1) {
    long long middle = (low + high) / 2;
    if (offsets[middle] <= row) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace gemm
