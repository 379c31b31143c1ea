// Sums of exponentials of a row, for softmax and cross-entropy.
#pragma once
#include "rows.cuh"

namespace rows {

// The largest of some elements, and the sum of e^(element - largest). The sum is in float64, so that
// one large element among many small ones does not lose them: log(sum) is as exact as they are.
// A NaN makes both NaN; where all are -infinity the sum is 0.
struct Peak {
  float max = -INFINITY;
  double sum = 0;

  template <int W> DV void add(const float (&v)[W]) {
    float high = max;
    for (int k = 0; k < W; k++) high = greater(high, v[k]);
    if (high == -INFINITY) return;
    if (!(high == max)) {
      sum *= expf(max - high);  // 0 where there was nothing
      max = high;
    }
    for (int k = 0; k < W; k++) sum += expf(v[k] - max);
  }

  // Of all elements of the row, in each thread of its team.
  DV Peak team() const {
    Peak all;
    all.max = team_max(max);
    all.sum = team_sum(max == -INFINITY ? 0.0 : sum * expf(max - all.max));
    return all;
  }

  // Log of the sum of exponentials; -infinity where all are.
  DV double log_sum() const { return max == -INFINITY ? -INFINITY : max + log(sum); }
};

template <int W, bool KEEP> DV Peak peak(Rows<W, KEEP, 1>& row) {
  Peak some;
  row.each([&](long long, float (&v)[1][W]) { some.add<W>(v[0]); });
  return some.team();
}

}  // namespace rows
