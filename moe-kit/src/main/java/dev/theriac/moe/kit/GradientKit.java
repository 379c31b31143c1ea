package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.moe.Capacity;
import dev.theriac.moe.Losses;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.moe.kit.LayerCase.Shared;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.moe.kit.oracle.Oracle;
import dev.theriac.moe.kit.oracle.OracleCapacity;
import dev.theriac.moe.kit.oracle.OracleFeedForward;
import dev.theriac.moe.kit.oracle.OracleMixture;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.op.RecomputeOp;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Gradients, through the router too. */
public interface GradientKit extends KitBackends {
  /** Four router modes, with scale, correction bias and limited groups among them. */
  private static List<RouterConfig> configs() {
    List<RouterConfig> all = new ArrayList<>();
    for (int k : new int[] {1, 2, 4}) {
      for (Scoring scoring : Scoring.values()) {
        for (Weighting weighting : Weighting.values()) {
          RouterConfig.Builder builder =
              RouterConfig.builder(6, 4, k).scoring(scoring).weighting(weighting).bias(true);
          if (k == 1) builder.allowSingleRenormalised();
          if (scoring == Scoring.SIGMOID) builder.scale(2.5).correctionBias(true);
          if (k == 2) builder.groups(2, 1 + weighting.ordinal(), GroupScore.TOP_TWO);
          all.add(builder.build());
        }
      }
    }
    return all;
  }

  @Test
  @DisplayName("G01 central differences in float64, for x and every parameter, four router modes")
  default void centralDifferences() {
    boolean gated = false;
    for (RouterConfig config : configs()) {
      gated = !gated;
      LayerCase c = new LayerCase(config, gated, Shared.NONE);
      Oracle oracle = c.oracle();
      double[][] x = c.uRows();
      double[][] g = c.upstreamRows();
      Oracle.Forward f = oracle.forward(x);
      // The choice is held still: it has no gradient.
      DoubleSupplier objective =
          () -> oracle.objective(oracle.forward(x, f.chosen(), f.kept()), g, 0, 0, null);
      SequencedMap<String, double[]> slopes = new LinkedHashMap<>();
      oracle
          .parameters()
          .forEach((name, a) -> slopes.put(name, GradientChecker.differences(objective, a)));
      double[][] dx = new double[x.length][];
      for (int t = 0; t < x.length; t++) dx[t] = GradientChecker.differences(objective, x[t]);
      Oracle.Gradients analytic = oracle.backward(f, g, 0, 0, null);
      everywhere(_ -> {
        LayerCase.Run run = c.run(null, null);
        LayerCase.sameChoice(run.routing(), f);
        differences(config + ", x", Values.flat(dx), Values.flat(analytic.x()), run.du());
        run.gradients()
            .forEach((path, found) ->
                differences(
                    config + ", " + path,
                    c.gather(path, slopes),
                    c.gather(path, analytic.parameters()),
                    found));
        return List.of(run.y(), run.du());
      });
    }
  }

  /** Both sides against the slopes: the oracle's formula closely, the engine's as F32 can. */
  private static void differences(String what, double[] slopes, double[] formula, Tensor found) {
    double size = Arrays.stream(slopes).map(Math::abs).max().orElse(0);
    if (size < 1e-9) {
      // A gradient of nothing, such as a single renormalised weight's.
      if (found != null) assertThat(found.toFloats()).as(what).containsOnly(0);
      return;
    }
    if (found == null) throw new AssertionError("no gradient of " + what);
    int row = Math.toIntExact(found.size(-1));
    Tolerance.F64_DIFFERENCES.compare("the oracle: " + what, slopes, formula, row).check();
    Tolerance.F32_GRADIENT.compare(what, slopes, Values.of(found), row).check();
  }

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
  @DisplayName("G04 shared experts, added and with a sigmoid gate")
  default void sharedExperts() {
    RouterConfig config =
        RouterConfig.builder(6, 4, 2).weighting(Weighting.RENORMALISED).bias(true).build();
    for (Shared shared : List.of(Shared.ADDED, Shared.GATED)) {
      for (boolean gated : new boolean[] {false, true}) {
        LayerCase c = new LayerCase(config, gated, shared);
        Oracle oracle = c.oracle();
        Oracle.Forward f = oracle.forward(c.uRows());
        Oracle.Gradients wanted = oracle.backward(f, c.upstreamRows(), 0, 0, null);
        everywhere(_ -> {
          LayerCase.Run run = c.run(null, null);
          c.check(run, f, wanted);
          return run.all();
        });
      }
    }
  }

  @Test
  @DisplayName("G05 balance and z-loss, with padding, through to u and the router")
  default void lossGradients() {
    boolean[] valid = new boolean[LayerCase.TOKENS];
    for (int t = 0; t < valid.length; t++) valid[t] = t % 6 < 4;
    TokenMask mask = TokenMask.of(valid, 2, valid.length / 2);
    for (RouterConfig config : configs()) {
      LayerCase c = new LayerCase(config, true, Shared.NONE);
      Oracle oracle = c.oracle();
      Oracle.Forward f = oracle.forward(c.uRows());
      Oracle.Gradients wanted = oracle.backward(f, c.upstreamRows(), 3, 0.5, valid);
      everywhere(_ -> {
        LayerCase.Run run =
            c.run(mask, r -> Losses.loadBalance(r).mul(3).add(Losses.zLoss(r).mul(0.5)));
        c.check(run, f, wanted);
        return List.of(run.y(), run.du());
      });
    }
  }

  @Test
  @DisplayName("G06 choices dropped for capacity: their weights get a gradient of exactly 0")
  default void droppedChoices() {
    MixtureCase some = MixtureCase.random(Form.plain(20, 12, 4), 30, 2);
    long[] ids = some.ids.clone();
    for (int i = 0; i < ids.length; i += 3) ids[i] = -1;
    MixtureCase c = some.withIds(ids);
    everywhere(_ -> {
      MixtureCase.Run run = c.run();
      c.check(run);
      float[] ds = run.grad(run.weights()).toFloats();
      for (int i = 0; i < ds.length; i += 3) {
        assertThat(Float.floatToRawIntBits(ds[i])).as("weight %d", i).isZero();
      }
      return run.all();
    });
    for (Capacity.Policy policy : Capacity.Policy.values()) {
      LayerCase layer =
          new LayerCase(RouterConfig.builder(6, 4, 2).build(), true, Shared.ADDED, 40);
      layer.layer.capacity(new Capacity(0.6, policy));
      Oracle oracle = layer.oracle();
      OracleCapacity capacity = new OracleCapacity(4, 12, policy == Capacity.Policy.PROBABILITY);
      Oracle.Forward f = oracle.forward(layer.uRows(), capacity);
      assertThat(Arrays.stream(f.kept()).filter(kept -> !kept[0] || !kept[1]).count())
          .as("tokens with a dropped choice")
          .isGreaterThan(10);
      Oracle.Gradients wanted = oracle.backward(f, layer.upstreamRows(), 0, 0, null);
      everywhere(_ -> {
        LayerCase.Run run = layer.run(null, null);
        layer.check(run, f, wanted);
        return run.all();
      });
    }
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
    // What a router draws in a recomputed layer must be what it drew at first.
    LayerCase noisy =
        new LayerCase(
            RouterConfig.builder(6, 4, 2).noise(new Noise.Constant(1)).jitter(0.3).build(),
            true,
            Shared.ADDED);
    List<Tensor> parameters =
        noisy.layer.parameters().values().stream().map(p -> p.value()).toList();
    everywhere(_ -> {
      noisy.layer.router().seek(0);
      LayerCase.Run kept = noisy.run(null, null);
      noisy.layer.router().seek(0);
      Tensor u = noisy.input().requireGrad(true);
      Tensor y =
          RecomputeOp.recompute(
              in -> noisy.layer.forward(in.getFirst()).value(), List.of(u), parameters);
      Gradients found = y.mul(Tensor.of(noisy.upstream, noisy.tokens(), 6)).sum().backward();
      Bits.check("gradient of u with noise", kept.du(), found.get(u));
      kept.gradients()
          .forEach((path, want) ->
              Bits.check(path, want, found.get(noisy.layer.parameters().get(path).value())));
      return List.of(kept.du());
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
    everywhere(backend -> {
      Strided x = Tensor.of(MixtureCase.normal(new Rng(1), 1, 6 * 7), 6, 7).strided();
      Strided grad = Tensor.of(MixtureCase.normal(new Rng(2), 1, 6 * 5), 6, 5).strided();
      Strided offsets = Tensor.of(new long[] {0, 0, 4, 4, 6}).strided();
      Tensor fresh = Tensor.full(Float.NaN, DType.F32, 4, 5, 7);
      Tensor sum = Tensor.full(3, DType.F32, 4, 5, 7);
      Tensor freshBias = Tensor.full(Float.NaN, DType.F32, 4, 5);
      Tensor biasSum = Tensor.full(3, DType.F32, 4, 5);
      GroupedKernels k = backend.grouped();
      k.groupedWeightGradient(Rows.of(grad), Rows.of(x), offsets, false, fresh.strided());
      k.groupedWeightGradient(Rows.of(grad), Rows.of(x), offsets, true, sum.strided());
      k.groupedBiasGradient(Rows.of(grad), null, offsets, false, freshBias.strided());
      k.groupedBiasGradient(Rows.of(grad), null, offsets, true, biasSum.strided());
      for (int e : new int[] {0, 2}) {
        assertThat(fresh.select(0, e).toFloats()).as("gradient of expert %d", e).containsOnly(0);
        assertThat(freshBias.select(0, e).toFloats()).as("bias of expert %d", e).containsOnly(0);
        assertThat(sum.select(0, e).toFloats()).as("sum of expert %d", e).containsOnly(3);
        assertThat(biasSum.select(0, e).toFloats()).as("bias sum of %d", e).containsOnly(3);
      }
      double[] wanted = Values.of(fresh.add(3));
      Tolerance.F32.compare("accumulated", wanted, Values.of(sum), 7).check();
      double[] wantedBias = Values.of(freshBias.add(3));
      Tolerance.F32.compare("accumulated bias", wantedBias, Values.of(biasSum), 5).check();
      return List.of(sum, biasSum);
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
