// Choosing columns of rows, and a softmax over what was chosen: the part of a router behind its product.
// One total order: higher first, NaN last, equal ones (zeros of either sign) by the lower column.
#include "dev.cuh"

namespace selection {

using namespace dv;

// Smaller the earlier a value comes; with the column below it all keys of a row differ.
DV unsigned long long key(float value, long long column) {
  unsigned order = 0xffffffffu;
  if (value == value) {
    unsigned bits = __float_as_uint(value == 0 ? 0.0f : value);
    order = bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
  }
  return (unsigned long long)order << 32 | (unsigned long long)column;
}

DV unsigned long long least_of_warp(unsigned long long value) {
  for (int offset = 16; offset > 0; offset >>= 1) {
    unsigned long long other = __shfl_xor_sync(all_lanes, value, offset);
    if (other < value) value = other;
  }
  return value;
}

// The least key above `last` (of all, at first) among those that `admits`; the same in all lanes.
template <class Admits>
DV unsigned long long next(const float* values, long long count, bool first, unsigned long long last, Admits admits) {
  unsigned long long best = ~0ull;
  for (long long c = threadIdx.x % 32; c < count; c += 32) {
    unsigned long long here = key(values[c], c);
    if (here < best && (first || here > last) && admits(c)) best = here;
  }
  return least_of_warp(best);
}

// A warp for each row.
extern "C" __global__ void __launch_bounds__(128)
    selection_select(const float* scores, long long rows, long long columns, int k, long long* ids) {
  long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
  if (row >= rows) return;
  unsigned long long last = 0;
  for (int j = 0; j < k; j++) {
    last = next(scores + row * columns, columns, j == 0, last, [](long long) { return true; });
    if (threadIdx.x % 32 == 0) ids[row * k + j] = (long long)(last & 0xffffffffu);
  }
}
CU_EXPORT(selection_select);

// ranks[row, g]: the sum of the `best` highest scores of group g, from the highest down. A warp for each group.
extern "C" __global__ void __launch_bounds__(128)
    selection_rank(const float* scores, long long groups_of_rows, long long width, int best, float* ranks) {
  long long group = (long long)blockIdx.x * 4 + threadIdx.x / 32;
  if (group >= groups_of_rows) return;
  const float* values = scores + group * width;
  unsigned long long last = 0;
  float sum = 0;
  for (int j = 0; j < best; j++) {
    last = next(values, width, j == 0, last, [](long long) { return true; });
    float value = values[last & 0xffffffffu];
    sum = j == 0 ? value : sum + value;
  }
  if (threadIdx.x % 32 == 0) ranks[group] = sum;
}
CU_EXPORT(selection_rank);

// As selection_select, of the `kept` best groups alone.
extern "C" __global__ void __launch_bounds__(128)
    selection_select_grouped(const float* scores, const float* ranks, long long rows, long long columns, int k,
                             int groups, int kept, long long* ids) {
  long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
  if (row >= rows) return;
  const float* rank = ranks + row * groups;
  long long width = columns / groups;
  unsigned long long worst = 0;
  for (int g = 0; g < kept; g++) worst = next(rank, groups, g == 0, worst, [](long long) { return true; });
  unsigned long long last = 0;
  for (int j = 0; j < k; j++) {
    last = next(scores + row * columns, columns, j == 0, last,
                [&](long long c) { return key(rank[c / width], c / width) <= worst; });
    if (threadIdx.x % 32 == 0) ids[row * k + j] = (long long)(last & 0xffffffffu);
  }
}
CU_EXPORT(selection_select_grouped);

// Whether a row holds a NaN, or no highest score that is finite. A warp for each row.
extern "C" __global__ void __launch_bounds__(128)
    selection_unusable(const float* scores, long long rows, long long columns, unsigned char* flags) {
  long long row = (long long)blockIdx.x * 4 + threadIdx.x / 32;
  if (row >= rows) return;
  float highest = -INFINITY;
  for (long long c = threadIdx.x % 32; c < columns; c += 32) {
    float value = scores[row * columns + c];
    highest = value > highest || value != value ? value : highest;
    if (value != value) break;
  }
  highest = warp_max(highest);
  bool usable = highest - highest == 0;
  if (threadIdx.x % 32 == 0) flags[row] = usable ? 0 : 1;
}
CU_EXPORT(selection_unusable);

DV double log_sigmoid(double x) { return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x)); }

// In float64: there are few of them, and their sum is to be exact to the last place of a float. A thread for each
// row.
extern "C" __global__ void __launch_bounds__(128)
    selection_softmax(const float* logits, const long long* ids, long long rows, long long columns, int k, int sigmoid,
                      float* weights) {
  long long row = global_index();
  if (row >= rows) return;
  const float* from = logits + row * columns;
  const long long* chosen = ids + row * k;
  auto logit = [&](int j) {
    double x = from[chosen[j]];
    return sigmoid ? log_sigmoid(x) : x;
  };
  double highest = -INFINITY;
  for (int j = 0; j < k; j++) {
    double l = logit(j);
    highest = l > highest || l != l ? l : highest;
    if (l != l) break;
  }
  bool nothing = highest == -INFINITY;
  double sum = 0;
  for (int j = 0; j < k; j++) sum += nothing ? 0 : exp(logit(j) - highest);
  for (int j = 0; j < k; j++) {
    weights[row * k + j] = nothing ? 0 : (float)(exp(logit(j) - highest) / sum);
  }
}
CU_EXPORT(selection_softmax);

// Adds to dlogits, which is zero. A thread for each row.
extern "C" __global__ void __launch_bounds__(128)
    selection_softmax_gradient(const float* logits, const long long* ids, const float* weights, const float* grad,
                               long long rows, long long columns, int k, int sigmoid, float* dlogits) {
  long long row = global_index();
  if (row >= rows) return;
  double dot = 0;
  for (long long s = row * k; s < row * k + k; s++) dot += (double)weights[s] * grad[s];
  for (long long s = row * k; s < row * k + k; s++) {
    long long at = row * columns + ids[s];
    double d = weights[s] * (grad[s] - dot);
    // The derivative of log(sigmoid(x)) is 1 - sigmoid(x).
    if (sigmoid) d /= 1 + exp((double)logits[at]);
    dlogits[at] += (float)d;
  }
}
CU_EXPORT(selection_softmax_gradient);

}  // namespace selection
