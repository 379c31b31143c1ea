package dev.theriac.nn;

import dev.theriac.op.Index;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/** A table [vocabulary, dim] of which rows are taken by id. */
public final class Embedding extends Module {
  private final Parameter weight;

  public Embedding(long vocabulary, long dim, Rng rng, double std) {
    weight = parameter("weight", Tensor.randn(rng, std, vocabulary, dim));
  }

  /** I64 ids [...] to rows [..., dim]; an id out of range is an error that names its position. */
  public Tensor forward(Tensor ids) {
    return Index.gatherRows(weight.value(), ids);
  }

  public Parameter weight() {
    return weight;
  }
}
