package dev.theriac.cuda;

import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * Where the elements of tensors of one shape lie, as kernels take it ({@code Places<N>} of
 * places.cuh): sizes of 1 are left out, and neighbouring dimensions that every tensor steps through
 * evenly are one.
 */
final class Places {
  private static final int MOST_DIMENSIONS = 8;
  private static final int BLOCK_THREADS = 256;
  private static final int PER_THREAD = 4;

  private final long count;
  private final boolean quads;

  /** Rank, eight sizes, then eight strides of each tensor. */
  private final long[] words;

  private Places(long count, boolean quads, long[] words) {
    this.count = count;
    this.quads = quads;
    this.words = words;
  }

  /**
   * @param operation named in errors
   * @throws IllegalArgumentException for more than eight dimensions that cannot be joined
   */
  static Places of(String operation, Strided... tensors) {
    long[] shape = new long[MOST_DIMENSIONS];
    long[][] strides = new long[tensors.length][MOST_DIMENSIONS];
    return of(operation, shape, strides, tensors).words(tensors[0].size(), false);
  }

  /**
   * As {@link #of}, with the last dimension in fours where every tensor allows it.
   *
   * @param outs contiguous tensors of the same shape, which kernels write in fours as well
   */
  static Places inQuads(
      CudaKernels kernels, String operation, List<Strided> outs, Strided... tensors) {
    long[] shape = new long[MOST_DIMENSIONS];
    long[][] strides = new long[tensors.length][MOST_DIMENSIONS];
    Builder found = of(operation, shape, strides, tensors);
    boolean quads = true;
    for (Strided out : outs) quads &= kernels.address(out) % 16 == 0;
    for (int n = 0; n < tensors.length && quads; n++) {
      quads = found.quads(n, kernels.address(tensors[n]));
    }
    return found.words(tensors[0].size(), quads);
  }

  private static Builder of(String operation, long[] shape, long[][] strides, Strided... tensors) {
    Layout first = tensors[0].layout();
    int rank = 0;
    for (int d = 0; d < first.rank(); d++) {
      long size = first.size(d);
      if (size == 1) continue;
      if (rank > 0 && joins(strides, rank - 1, size, d, tensors)) {
        shape[rank - 1] *= size;
      } else {
        if (rank == MOST_DIMENSIONS) {
          throw new IllegalArgumentException(
              "%s: shape %s has more than %d dimensions that cannot be joined; copy it with contiguous() first"
                  .formatted(operation, first, MOST_DIMENSIONS));
        }
        shape[rank++] = size;
      }
      for (int n = 0; n < tensors.length; n++) {
        strides[n][rank - 1] = tensors[n].stride(d);
      }
    }
    if (rank == 0) shape[rank++] = 1;
    return new Builder(rank, shape, strides);
  }

  /** Is a step in the dimension before as long as all of dimension d, for every tensor? */
  private static boolean joins(long[][] strides, int before, long size, int d, Strided[] tensors) {
    for (int n = 0; n < tensors.length; n++) {
      if (strides[n][before] != size * tensors[n].stride(d)) return false;
    }
    return true;
  }

  private record Builder(int rank, long[] shape, long[][] strides) {
    /** One value, or runs of fours at aligned addresses. */
    boolean quads(int n, long address) {
      int last = rank - 1;
      boolean whole = rank == 1 || shape[last] % PER_THREAD == 0;
      if (!whole || strides[n][last] != 0 && strides[n][last] != 1) return false;
      if (strides[n][last] == 0) return true;
      for (int d = 0; d < last; d++) if (strides[n][d] % PER_THREAD != 0) return false;
      return address % 16 == 0;
    }

    Places words(long count, boolean quads) {
      long[] words = new long[1 + MOST_DIMENSIONS * (1 + strides.length)];
      words[0] = rank;
      Arrays.fill(words, 1, 1 + MOST_DIMENSIONS, 1);
      System.arraycopy(shape, 0, words, 1, rank);
      for (int n = 0; n < strides.length; n++) {
        System.arraycopy(strides[n], 0, words, 1 + MOST_DIMENSIONS * (n + 1), rank);
      }
      if (quads) {
        words[rank] = Math.ceilDiv(words[rank], PER_THREAD);
        for (int n = 0; n < strides.length; n++) {
          words[MOST_DIMENSIONS * (n + 1) + rank] *= PER_THREAD;
        }
      }
      return new Places(count, quads, words);
    }
  }

  /** How far apart neighbours of the first tensor's last dimension are. */
  long lastStride() {
    return Math.abs(words[MOST_DIMENSIONS + (int) words[0]]);
  }

  /** Are all elements of all tensors one after the other, in the same order? */
  boolean inOneRun() {
    if (words[0] != 1) return false;
    for (int n = 1 + MOST_DIMENSIONS; n < words.length; n += MOST_DIMENSIONS) {
      if (words[n] != 1 && count != 1) return false;
    }
    return true;
  }

  /** Sets the dimensions of a launch: each thread has four elements. */
  Launch shape(Launch launch) {
    return launch.grid(Math.ceilDiv(count, BLOCK_THREADS * PER_THREAD)).block(BLOCK_THREADS);
  }

  /** Adds the parameters {@code places, count}. */
  Launch addTo(Launch launch) {
    return launch.struct(MemorySegment.ofArray(words)).longs(count);
  }

  /** Adds the parameters {@code places, count, quads}. */
  Launch addWithQuadsTo(Launch launch) {
    return addTo(launch).ints(quads ? 1 : 0);
  }
}
