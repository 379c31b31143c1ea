package dev.theriac.cli.inspect;

import dev.theriac.io.Weights;
import dev.theriac.llm.Quantisation;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Predicate;

/**
 * What the configuration of a family that Theriac reads says a directory should hold.
 *
 * @param family in words
 * @param facts about it, one a line
 * @param wanted shapes of the tensors by their names in checkpoints
 * @param derived those of them that may be missing, as their values (in F32) are known
 * @param found what is there, by those names or, where the model has no such tensor, by its own
 * @param unused how many more tensors are there that reading leaves out on purpose
 * @param activeParameters values that one token's pass reads: of experts only those chosen
 * @param quantisation what should stand there quantised; null for nothing
 * @param stacked which tensors loading copies, to stack experts, unless they are quantised
 * @param cacheBytes of keys and values for one text of the greatest length; 0 for none
 * @param positions of that text
 * @param problems further ones, for people
 */
record Expected(
    String family,
    List<String> facts,
    SequencedMap<String, long[]> wanted,
    Set<String> derived,
    SequencedMap<String, Weights.Entry> found,
    int unused,
    long activeParameters,
    Quantisation quantisation,
    Predicate<String> stacked,
    long cacheBytes,
    long positions,
    List<String> problems) {
  /** Values of all tensors of these shapes. */
  static long size(SequencedMap<String, long[]> shapes) {
    return shapes.values().stream().mapToLong(Expected::size).sum();
  }

  static long size(long[] shape) {
    long size = 1;
    for (long n : shape) size = Math.multiplyExact(size, n);
    return size;
  }
}
