package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.moe.kit.oracle.OracleFeedForward;
import dev.theriac.moe.kit.oracle.OracleMixture;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.op.RecomputeOp;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Gradients, through the router too. */
public interface GradientKit extends KitBackends {
  @Test
  @DisplayName(
      "G02 the routing weight's gradient is the product of g and the expert's output, biases"
          + " included")
  default void routingWeightGradientIdentity() {
    for (Form form : List.of(Form.plain(20, 12, 4), Form.swiglu(20, 12, 4))) {
      MixtureCase c = MixtureCase.random(form, 30, 2);
      OracleMixture oracle = c.oracle();
      double[] wanted = new double[c.ids.length];
      double[][] x = c.xRows();
      for (int i = 0; i < wanted.length; i++) {
        int t = i / c.topK;
        OracleFeedForward expert = oracle.experts().get((int) c.ids[i]);
        double[] o = expert.forward(x[t], oracle.activation());
        for (int j = 0; j < o.length; j++) wanted[i] += o[j] * c.upstream[t * o.length + j];
      }
      everywhere(_ -> {
        MixtureCase.Run run = c.run();
        double[] got = Values.of(run.grad(run.weights()));
        Tolerance.F32_GRADIENT.compare(form.toString(), wanted, got, c.topK).check();
        return run.all();
      });
    }
  }

  @Test
  @DisplayName("G03 routing weights of 0 have their gradient, and pass none on")
  default void zeroWeights() {
    MixtureCase some = MixtureCase.random(Form.plain(20, 12, 4), 30, 2);
    float[] weights = some.weights.clone();
    for (int i = 0; i < weights.length; i += 3) weights[i] = 0;
    MixtureCase mixed = some.withWeights(weights);
    MixtureCase zero = some.withWeights(new float[weights.length]);
    everywhere(_ -> {
      MixtureCase.Run run = mixed.run();
      mixed.check(run);
      MixtureCase.Run none = zero.run();
      zero.check(none);
      assertThat(none.grad(none.x()).toFloats()).containsOnly(0);
      for (Tensor p : none.parameters()) assertThat(none.grad(p).toFloats()).containsOnly(0);
      return run.all();
    });
  }

  @Test
  @DisplayName("G07 recomputed activations give the bits of kept ones")
  default void recomputationChangesNothing() {
    MixtureCase c = MixtureCase.random(Form.swiglu(33, 17, 4), 50, 2);
    everywhere(_ -> {
      MixtureCase.Run kept = c.run();
      Tensor x = c.xTensor().requireGrad(true);
      Tensor s = c.weightTensor().requireGrad(true);
      FeedForwardWeights w = c.feedForward();
      RowGroups groups = RowGroups.of(c.idTensor(), c.form.experts());
      List<Tensor> parameters = List.of(w.gate(), w.up(), w.down());
      Tensor y =
          RecomputeOp.recompute(
                  in -> Grouped.feedForward(in.get(0), in.get(1), groups, w, c.form.activation()),
                  List.of(x, s),
                  parameters)
              .retain();
      Gradients found = y.backward(Tensor.of(c.upstream, c.tokens, c.form.dim()));
      List<float[]> again = new ArrayList<>(List.of(y.toFloats()));
      for (Tensor leaf : List.of(x, s, w.gate(), w.up(), w.down())) {
        again.add(found.get(leaf).toFloats());
      }
      Bits.check("recomputed and kept", kept.floats(), again);
      return kept.all();
    });
  }

  @Test
  @DisplayName("G08 gradients summed over parts of a batch are those of the whole")
  default void microBatches() {
    MixtureCase whole = MixtureCase.random(Form.plain(24, 18, 5), 60, 2);
    int[] all = new int[60];
    Arrays.setAll(all, i -> i);
    everywhere(_ -> {
      MixtureCase.Run one = whole.run();
      int count = one.parameters().size();
      double[][] sums = new double[count][];
      for (int from = 0; from < 60; from += 20) {
        MixtureCase.Run part = whole.tokens(Arrays.copyOfRange(all, from, from + 20)).run();
        for (int i = 0; i < count; i++) {
          double[] g = Values.of(part.gradients().get(2 + i));
          if (sums[i] == null) sums[i] = new double[g.length];
          for (int j = 0; j < g.length; j++) sums[i][j] += g[j];
        }
      }
      for (int i = 0; i < count; i++) {
        Tensor g = one.gradients().get(2 + i);
        int row = Math.toIntExact(g.size(-1));
        Tolerance.F32_GRADIENT.compare("parameter " + i, sums[i], Values.of(g), row).check();
      }
      return one.all();
    });
  }

  @Test
  @DisplayName("G09 a later use in which an expert sees no token leaves its gradient as it was")
  default void emptyExpertsAddNothing() {
    MixtureCase both = MixtureCase.random(Form.plain(24, 18, 2), 30, 2);
    MixtureCase first = new MixtureCase(both.form, 1, new long[30], 1);
    everywhere(_ -> {
      FeedForwardWeights w = both.feedForward();
      Tensor once = output(both, w);
      float[][] wanted = gradients(once, w);
      // One graph that uses the weights twice: the second time all tokens go to expert 0.
      FeedForwardWeights again = both.feedForward();
      Tensor twice = output(both, again).add(output(first, again));
      float[][] got = gradients(twice, again);
      for (int p = 0; p < wanted.length; p++) {
        int half = wanted[p].length / 2;
        Bits.check(
            "expert 1, parameter " + p,
            Arrays.copyOfRange(wanted[p], half, 2 * half),
            Arrays.copyOfRange(got[p], half, 2 * half));
        assertThat(Arrays.equals(wanted[p], 0, half, got[p], 0, half))
            .as("expert 0's gradient, parameter %d, does not grow", p)
            .isFalse();
      }
      return List.of();
    });
  }

  private static Tensor output(MixtureCase c, FeedForwardWeights w) {
    RowGroups groups = RowGroups.of(c.idTensor(), c.form.experts());
    return Grouped.feedForward(c.xTensor(), c.weightTensor(), groups, w, c.form.activation());
  }

  private static float[][] gradients(Tensor y, FeedForwardWeights w) {
    Gradients found = y.backward(Tensor.ones(y.shape()));
    return new float[][] {
      found.get(w.gate()).toFloats(),
      found.get(w.gateBias()).toFloats(),
      found.get(w.down()).toFloats(),
      found.get(w.downBias()).toFloats()
    };
  }
}
