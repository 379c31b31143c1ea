package dev.theriac.bench.gpu;

import dev.theriac.cuda.Precision;
import java.util.Locale;
import java.util.function.BiConsumer;

/**
 * One way to compute an operation.
 *
 * @param name short
 * @param precision of products
 * @param halfWeights whether weights lie in BF16
 * @param idea one sentence
 * @param call queues the kernels on the arrays of a problem
 */
record LabVersion<A extends LabProblem.Arrays>(
    String name, Precision precision, boolean halfWeights, String idea, BiConsumer<Gpu, A> call) {
  /** As {@link Card} names it. */
  String rate() {
    return precision.name().toLowerCase(Locale.ROOT);
  }

  int weightBytes() {
    return halfWeights ? 2 : 4;
  }
}
