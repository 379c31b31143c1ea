package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The feed-forwards of E experts of one width: down(act(gate x + gateBias) * (up x + upBias)) +
 * downBias, or without {@code up} (the plain form, where gate is also called fc1 and down fc2)
 * down(act(gate x + gateBias)) + downBias. F32 or a half type, which is widened as it is read.
 *
 * @param gate [E, n, d]
 * @param gateBias [E, n] or null
 * @param up [E, n, d], or null for the plain form
 * @param upBias [E, n] or null; only beside {@code up}
 * @param down [E, d, n]
 * @param downBias [E, d] or null
 */
public record FeedForwardWeights(
    Tensor gate, Tensor gateBias, Tensor up, Tensor upBias, Tensor down, Tensor downBias) {
  /**
   * @throws IllegalArgumentException when shapes do not fit
   */
  public FeedForwardWeights {
    String op = "feedForward";
    Check.that(gate.rank() == 3, "%s: gate must be [E, n, d], got %s", op, gate.layout());
    long e = gate.size(0);
    Check.that(e >= 1, "%s: no expert in gate %s", op, gate.layout());
    long n = gate.size(1);
    long d = gate.size(2);
    Check.shape(op, "gateBias", gateBias, e, n);
    Check.shape(op, "up", up, e, n, d);
    Check.shape(op, "upBias", upBias, e, n);
    Check.shape(op, "down", down, e, d, n);
    Check.shape(op, "downBias", downBias, e, d);
    Check.that(down != null, "%s: down is missing", op);
    Check.that(up != null || upBias == null, "%s: upBias without up", op);
  }

  /** Number of experts E. */
  public int experts() {
    return Math.toIntExact(gate.size(0));
  }

  /** Width n between the two products. */
  public long hidden() {
    return gate.size(1);
  }

  /** Width d of input and output. */
  public long dim() {
    return gate.size(2);
  }

  public boolean gated() {
    return up != null;
  }

  /** Those that are there, in the order of the record. */
  List<Tensor> all() {
    List<Tensor> all = new ArrayList<>();
    for (Tensor t : new Tensor[] {gate, gateBias, up, upBias, down, downBias}) {
      if (t != null) all.add(t);
    }
    return all;
  }
}
