// The stable counting sort of tokens' choices by group: rows of one group lie together, inside a group by token.
//
// Tokens are cut into runs of 64. A thread owns a run and a group, so that every place follows from counts and
// nothing is left to chance. Up to some thousands of tokens one block does it all in one launch; above that each
// phase is a launch.
#include "dev.cuh"

namespace sort_rows {

using namespace dv;

constexpr long long RUN = 64;

// ids [tokens, k]; the rest as SelectionKernels.sortRows. counts [runs, groups]: choices of each group in each run,
// then the first row of those; kept [runs + 1]: choices in each run, then before it; row_of [tokens, k];
// status: the number of rows, and the first wrong choice, twice its number, plus one if it was chosen before; -1
// for none.
struct Sort {
  const long long* ids;
  long long tokens;
  long long k;
  long long groups;
  long long runs;
  long long* offsets;
  long long* row_token;
  long long* row_slot;
  long long* token_start;
  long long* token_row;
  long long* counts;
  long long* kept;
  long long* row_of;
  long long* wrong;
  long long* status;
};

DV long long end_of(const Sort& s, long long run) {
  long long end = (run + 1) * RUN;
  return end < s.tokens ? end : s.tokens;
}

// Choices of one group in one run.
DV void count(const Sort& s, long long item) {
  long long run = item / s.groups;
  long long group = item % s.groups;
  long long found = 0;
  for (long long i = run * RUN * s.k; i < end_of(s, run) * s.k; i++) found += s.ids[i] == group;
  s.counts[item] = found;
}

// Choices of a run that were not dropped, and the first one that is wrong.
DV void look(const Sort& s, long long run) {
  long long found = 0;
  long long wrong = -1;
  for (long long t = run * RUN; t < end_of(s, run); t++) {
    for (long long j = 0; j < s.k; j++) {
      long long id = s.ids[t * s.k + j];
      if (id == -1) continue;
      found++;
      bool twice = false;
      for (long long before = 0; before < j; before++) twice = twice || s.ids[t * s.k + before] == id;
      bool outside = id < 0 || id >= s.groups;
      if (wrong < 0 && (outside || twice)) wrong = 2 * (t * s.k + j) + (outside ? 0 : 1);
    }
  }
  s.kept[run] = found;
  s.wrong[run] = wrong;
}

// First rows of a group's choices in each run, counted from the group's first; the group's number of rows.
DV void sum_group(const Sort& s, long long group) {
  long long row = 0;
  for (long long run = 0; run < s.runs; run++) {
    long long own = s.counts[run * s.groups + group];
    s.counts[run * s.groups + group] = row;
    row += own;
  }
  s.offsets[group + 1] = row;
}

// By one thread.
DV void sum_all(const Sort& s) {
  s.offsets[0] = 0;
  for (long long group = 0; group < s.groups; group++) s.offsets[group + 1] += s.offsets[group];
  long long before = 0;
  long long wrong = -1;
  for (long long run = 0; run < s.runs; run++) {
    long long own = s.kept[run];
    s.kept[run] = before;
    before += own;
    if (wrong < 0) wrong = s.wrong[run];
  }
  s.status[0] = before;
  s.status[1] = wrong;
  s.token_start[s.tokens] = before;
}

DV void place(const Sort& s, long long item) {
  long long run = item / s.groups;
  long long group = item % s.groups;
  long long row = s.offsets[group] + s.counts[item];
  for (long long i = run * RUN * s.k; i < end_of(s, run) * s.k; i++) {
    if (s.ids[i] != group) continue;
    s.row_token[row] = i / s.k;
    s.row_slot[row] = i;
    s.row_of[i] = row;
    row++;
  }
}

// Rows of each token of a run, ascending.
DV void list(const Sort& s, long long run) {
  long long at = s.kept[run];
  for (long long t = run * RUN; t < end_of(s, run); t++) {
    long long first = at;
    s.token_start[t] = at;
    for (long long i = t * s.k; i < t * s.k + s.k; i++) {
      if (s.ids[i] < 0 || s.ids[i] >= s.groups) continue;
      long long row = s.row_of[i];
      long long to = at;
      for (; to > first && s.token_row[to - 1] > row; to--) s.token_row[to] = s.token_row[to - 1];
      s.token_row[to] = row;
      at++;
    }
  }
}

extern "C" __global__ void __launch_bounds__(1024) sort_rows_whole(Sort s) {
  long long step = blockDim.x;
  for (long long i = threadIdx.x; i < s.runs * s.groups; i += step) count(s, i);
  for (long long i = threadIdx.x; i < s.runs; i += step) look(s, i);
  __syncthreads();
  for (long long i = threadIdx.x; i < s.groups; i += step) sum_group(s, i);
  __syncthreads();
  if (threadIdx.x == 0) sum_all(s);
  __syncthreads();
  for (long long i = threadIdx.x; i < s.runs * s.groups; i += step) place(s, i);
  __syncthreads();
  for (long long i = threadIdx.x; i < s.runs; i += step) list(s, i);
}
CU_EXPORT(sort_rows_whole);

extern "C" __global__ void __launch_bounds__(256) sort_rows_count(Sort s) {
  long long i = global_index();
  if (i < s.runs * s.groups) count(s, i);
  if (i < s.runs) look(s, i);
}
CU_EXPORT(sort_rows_count);

// One block.
extern "C" __global__ void __launch_bounds__(1024) sort_rows_sum(Sort s) {
  for (long long i = threadIdx.x; i < s.groups; i += blockDim.x) sum_group(s, i);
  __syncthreads();
  if (threadIdx.x == 0) sum_all(s);
}
CU_EXPORT(sort_rows_sum);

extern "C" __global__ void __launch_bounds__(256) sort_rows_place(Sort s) {
  long long i = global_index();
  if (i < s.runs * s.groups) place(s, i);
}
CU_EXPORT(sort_rows_place);

extern "C" __global__ void __launch_bounds__(256) sort_rows_list(Sort s) {
  long long i = global_index();
  if (i < s.runs) list(s, i);
}
CU_EXPORT(sort_rows_list);

}  // namespace sort_rows
