package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.moe.kit.LayerCase.Shared;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The same bits, always. */
public interface DeterminismKit extends KitBackends {
  @Test
  @DisplayName("D01 the same bits in 102 runs, 34 for each number of threads")
  default void sameBitsInEveryRun() {
    MixtureCase c = MixtureCase.random(Form.swiglu(33, 17, 6), 40, 2);
    everywhere(_ -> {
      List<float[]> first = c.run().floats();
      for (int run = 2; run <= 34; run++) {
        try (Scope _ = Scope.open()) {
          Bits.check("run " + run, first, c.run().floats());
        }
      }
      return List.of();
    });
  }

  @Test
  @DisplayName("D02 the same bits with 1, 2 and 7 threads, where there is work for all")
  default void sameBitsForEveryNumberOfThreads() {
    MixtureCase swiglu = MixtureCase.random(Form.swiglu(96, 160, 7), 131, 3);
    MixtureCase plain = MixtureCase.ofCounts(Form.plain(30, 250, 4), 1500, 40, 0, 300);
    // everywhere() compares the results.
    everywhere(_ -> swiglu.run().all());
    everywhere(_ -> {
      MixtureCase.Run run = plain.run();
      plain.check(run);
      return run.all();
    });
  }

  @Test
  @DisplayName("D03 a token alone gives the bits that it gives in a batch")
  default void aTokenDoesNotFeelItsBatch() {
    for (Form form : List.of(Form.swiglu(37, 21, 4), Form.plain(37, 21, 4))) {
      MixtureCase batch = MixtureCase.random(form, 45, 2);
      everywhere(_ -> {
        MixtureCase.Run all = batch.run();
        for (int t : new int[] {0, 1, 17, 44}) {
          MixtureCase.Run alone = batch.tokens(t).run();
          Bits.check("token " + t, all.y().slice(0, t, t + 1), alone.y());
          Bits.check(
              "gradient of token " + t,
              all.grad(all.x()).slice(0, t, t + 1),
              alone.grad(alone.x()));
          Bits.check(
              "gradient of routing weights of token " + t,
              all.grad(all.weights()).slice(0, t, t + 1),
              alone.grad(alone.weights()));
        }
        return List.of();
      });
    }
    LayerCase c = layer();
    everywhere(_ -> {
      Tensor all = output(c, c.input());
      for (int t : new int[] {0, 1, 17, 49}) {
        Bits.check("token " + t, all.slice(0, t, t + 1), output(c, rows(c, t)));
      }
      return List.of(all);
    });
    LayerCase layer = layer();
    int[] moved = new Rng(6).permutation(50);
    everywhere(_ -> {
      Tensor plain = output(layer, layer.input());
      Tensor permutedOutput = output(layer, rows(layer, moved));
      for (int i = 0; i < moved.length; i++) {
        int t = moved[i];
        Bits.check("token " + t, plain.slice(0, t, t + 1), permutedOutput.slice(0, i, i + 1));
      }
      return List.of(plain);
    });
  }

  /** A whole layer: sigmoid router with bias and groups, gated shared expert. */
  static LayerCase layer() {
    RouterConfig config =
        RouterConfig.builder(24, 8, 3)
            .scoring(Scoring.SIGMOID)
            .weighting(Weighting.RENORMALISED)
            .scale(2.5)
            .correctionBias(true)
            .groups(4, 2, GroupScore.TOP_TWO)
            .build();
    return new LayerCase(config, true, Shared.GATED, 50);
  }

  /** Rows of u [T, d] in another order, or some of them. */
  private static Tensor rows(LayerCase c, int... which) {
    Tensor u = c.input();
    float[] all = u.toFloats();
    int d = c.config.dim();
    float[] some = new float[which.length * d];
    for (int i = 0; i < which.length; i++) System.arraycopy(all, which[i] * d, some, i * d, d);
    return Tensor.of(some, which.length, d);
  }

  private static Tensor output(LayerCase c, Tensor u) {
    return Autograd.noGrad(() -> c.layer.forward(u).value());
  }

  @Test
  @DisplayName("D04 permuted tokens give permuted outputs, bit for bit")
  default void permutedTokensGivePermutedOutputs() {
    MixtureCase c = MixtureCase.random(Form.swiglu(37, 21, 4), 45, 2);
    int[] order = new Rng(5).permutation(45);
    MixtureCase permuted = c.tokens(order);
    everywhere(_ -> {
      MixtureCase.Run plain = c.run();
      MixtureCase.Run moved = permuted.run();
      for (int i = 0; i < order.length; i++) {
        int t = order[i];
        Bits.check("token " + t, plain.y().slice(0, t, t + 1), moved.y().slice(0, i, i + 1));
        Bits.check(
            "gradient of token " + t,
            plain.grad(plain.x()).slice(0, t, t + 1),
            moved.grad(moved.x()).slice(0, i, i + 1));
      }
      return List.of();
    });
  }

  @Test
  @DisplayName("D05 the same bits, routing included, in another JVM")
  default void sameBitsInAnotherJvm() {
    List<String> here = Fingerprint.of(this);
    assertThat(Fingerprint.inAnotherJvm(this)).isEqualTo(here);
  }

  @Test
  @DisplayName("D06 a device agrees with the CPU within tolerance")
  default void deviceAgreesWithCpu() {
    Backend device = deviceBackend();
    MixtureCase c = MixtureCase.random(Form.swiglu(64, 48, 8), 100, 2);
    try (Scope _ = Scope.open()) {
      MixtureCase.Run run =
          Backends.with(device, () -> c.run(t -> place(device, t)).map(t -> fetch(device, t)));
      c.check(run);
    }
  }

  @Test
  @DisplayName("D07 one layer used by 8 threads at once")
  default void concurrentUse() {
    LayerCase c = layer();
    MixtureCase large = MixtureCase.random(Form.swiglu(40, 56, 5), 90, 2);
    everywhere(backend -> {
      List<float[]> wanted = everything(c, large);
      List<Callable<List<float[]>>> users = new ArrayList<>();
      for (int user = 0; user < 8; user++) {
        users.add(() ->
            Backends.with(
                backend,
                () -> {
                  List<float[]> last = List.of();
                  for (int i = 0; i < 3; i++) {
                    try (Scope _ = Scope.open()) {
                      last = everything(c, large);
                    }
                  }
                  return last;
                }));
      }
      try (ExecutorService pool = Executors.newFixedThreadPool(8)) {
        for (Future<List<float[]>> f : pool.invokeAll(users)) {
          Bits.check("one of 8 concurrent users", wanted, f.get());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new AssertionError("interrupted", e);
      } catch (ExecutionException e) {
        throw new AssertionError("one of 8 concurrent users: " + e.getCause(), e);
      }
      return List.of(Tensor.of(wanted.getFirst()));
    });
  }

  private static List<float[]> everything(LayerCase c, MixtureCase large) {
    List<float[]> all = new ArrayList<>();
    for (Tensor t : c.run(null, null).all()) all.add(t.toFloats());
    all.addAll(large.run().floats());
    return all;
  }
}
