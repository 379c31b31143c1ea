package dev.theriac.moe.medmoe.data;

import java.util.List;

/** Samples by number. Implementations are immutable and safe for concurrent use. */
public interface Dataset {
  /** Number of samples. */
  int size();

  /**
   * One sample, the same at every call.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException for another index
   */
  Sample get(int index);

  /** The samples of a list. */
  static Dataset of(List<Sample> samples) {
    List<Sample> copy = List.copyOf(samples);
    return new Dataset() {
      @Override
      public int size() {
        return copy.size();
      }

      @Override
      public Sample get(int index) {
        return copy.get(index);
      }
    };
  }
}
