package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.moe.Capacity;
import dev.theriac.moe.Capacity.Policy;
import dev.theriac.moe.Dispatch;
import dev.theriac.moe.Dispatch.Drop;
import dev.theriac.moe.Dispatch.Reason;
import dev.theriac.moe.Router;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.Routing;
import dev.theriac.moe.kit.LayerCase.Shared;
import dev.theriac.moe.kit.oracle.OracleCapacity;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Bounded experts: who is kept, who is dropped and reported, and what remains of an output. */
public interface CapacityKit extends KitBackends {
  private static Router identity(int experts, int k) {
    return RouterKit.identity(RouterConfig.builder(experts, experts, k), experts);
  }

  @Test
  @DisplayName("C01 five tokens for one of four experts, factor 1: tokens 0 and 1 are kept")
  default void positionPolicy() {
    float[] rows = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    everywhere(_ -> {
      Routing routing = identity(4, 1).route(Tensor.of(rows, 5, 4));
      Dispatch dispatch = Dispatch.of(routing, new Capacity(1, Policy.POSITION));
      assertThat(dispatch.experts().toLongs()).containsExactly(0, 0, -1, -1, -1);
      assertThat(dispatch.groups().rowToken().toLongs()).containsExactly(0, 1);
      return List.of();
    });
  }

  @Test
  @DisplayName("C02 a capacity of more than all tokens drops none, and changes no bit")
  default void ampleCapacity() {
    LayerCase dropless = new LayerCase(RouterConfig.builder(6, 4, 2).build(), true, Shared.NONE);
    LayerCase ample = new LayerCase(RouterConfig.builder(6, 4, 2).build(), true, Shared.NONE);
    everywhere(_ -> {
      List<Tensor> wanted = dropless.run(null, null).all();
      for (Policy policy : Policy.values()) {
        for (Capacity capacity :
            List.of(new Capacity(1000, policy), new Capacity(0, 1_000_000, policy))) {
          ample.layer.capacity(capacity);
          assertThat(capacity.of(LayerCase.TOKENS, 2, 4)).isEqualTo(LayerCase.TOKENS);
          List<Tensor> got = ample.run(null, null).all();
          for (int i = 0; i < got.size(); i++) {
            Bits.check("result " + i, wanted.get(i), got.get(i));
          }
        }
      }
      return wanted;
    });
  }

  @Test
  @DisplayName("C03 a capacity of nothing is refused")
  default void noCapacity() {
    for (Policy policy : Policy.values()) {
      assertThatThrownBy(() -> new Capacity(0, policy))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("capacity");
      for (double wrong : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
        assertThatThrownBy(() -> new Capacity(wrong, policy))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("capacity");
      }
    }
  }

  @Test
  @DisplayName("C04 by probability: the surest are kept, of equal ones the earlier")
  default void probabilityPolicy() {
    // Expert 0 for all; tokens 1, 2 and 4 are equally sure, 3 is surer, 0 is the least sure.
    float[] rows = {1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0};
    everywhere(_ -> {
      Routing routing = identity(4, 1).route(Tensor.of(rows, 5, 4));
      long[][] wanted = {{-1, -1, -1, 0, -1}, {-1, 0, -1, 0, -1}, {-1, 0, 0, 0, -1}};
      for (int limit = 1; limit <= 3; limit++) {
        Dispatch d = Dispatch.of(routing, new Capacity(0, limit, Policy.PROBABILITY));
        assertThat(d.experts().toLongs()).as("limit %d", limit).isEqualTo(wanted[limit - 1]);
      }
      return List.of();
    });
  }

  @Test
  @DisplayName("C05 what was dropped is told, by token and choice")
  default void dropsAreTold() {
    Rng rng = new Rng(5);
    float[] u = new float[40 * 6];
    // A coarse grid, so that weights tie.
    for (int i = 0; i < u.length; i++) u[i] = rng.nextInt(3);
    boolean[] valid = new boolean[40];
    for (int t = 0; t < 40; t++) valid[t] = t % 10 < 8;
    everywhere(_ -> {
      Routing routing = identity(6, 2).route(Tensor.of(u, 40, 6));
      Routing masked = identity(6, 2).route(Tensor.of(u, 40, 6), TokenMask.of(valid, 4, 10));
      for (Policy policy : Policy.values()) {
        Dispatch d = Dispatch.of(routing, new Capacity(0.7, policy));
        int limit = (int) Math.ceil(0.7 * 2 * 40 / 6);
        check(routing, d, new OracleCapacity(6, limit, policy == Policy.PROBABILITY));
        assertThat(d.dropped(Reason.OVER_CAPACITY)).isEqualTo(d.drops().size()).isPositive();
        assertThat(Arrays.stream(d.groups().counts()).max().orElse(0)).isLessThanOrEqualTo(limit);
        Dispatch m = Dispatch.of(masked, new Capacity(0.7, policy));
        assertThat(m.dropped(Reason.FILLING)).isEqualTo(16);
        assertThat(m.drops())
            .filteredOn(drop -> drop.reason() == Reason.FILLING)
            .allMatch(drop -> !valid[(int) drop.token()]);
      }
      return List.of();
    });
  }

  private static void check(Routing routing, Dispatch d, OracleCapacity oracle) {
    long[] ids = routing.experts().toLongs();
    int[][] chosen = new int[ids.length / 2][2];
    for (int i = 0; i < ids.length; i++) chosen[i / 2][i % 2] = (int) ids[i];
    boolean[][] kept = oracle.keep(chosen, Values.rows(routing.weights()));
    List<Drop> wanted = new ArrayList<>();
    for (int i = 0; i < ids.length; i++) {
      if (kept[i / 2][i % 2]) continue;
      wanted.add(new Drop(i / 2, i % 2, (int) ids[i], Reason.OVER_CAPACITY));
      ids[i] = -1;
    }
    assertThat(d.drops()).isEqualTo(wanted);
    assertThat(d.experts().toLongs()).isEqualTo(ids);
  }

  @Test
  @DisplayName("C06 a token with all its choices dropped is its shared expert's output, or 0")
  default void everythingDropped() {
    RouterConfig config = RouterConfig.builder(6, 4, 1).build();
    for (Shared shared : List.of(Shared.NONE, Shared.ADDED, Shared.GATED)) {
      LayerCase c = new LayerCase(config, true, shared, 20);
      c.layer.capacity(new Capacity(0, 1, Policy.POSITION));
      TokenMask nothing = TokenMask.of(new boolean[20], 2, 10);
      everywhere(_ -> {
        Tensor alone =
            Autograd.noGrad(() ->
                shared == Shared.NONE
                    ? Tensor.zeros(20, 6)
                    : c.layer.shared().join(c.input(), Tensor.zeros(20, 6)));
        LayerCase.Run run = c.run(null, null);
        long kept = 0;
        for (int t = 0; t < 20; t++) {
          float[] got = run.y().slice(0, t, t + 1).toFloats();
          assertThat(got).doesNotContain(Float.NaN);
          long expert = run.dispatch().experts().toLongs()[t];
          if (expert >= 0) kept++;
          else Bits.check("token " + t, alone.slice(0, t, t + 1).toFloats(), got);
        }
        assertThat(kept).isBetween(1L, 4L);
        // With nothing but padding no choice is left at all.
        LayerCase.Run none = c.run(nothing, null);
        assertThat(none.dispatch().groups().rows()).isZero();
        Bits.check("only padding", alone, none.y());
        for (Tensor g : none.gradients().values()) {
          if (g != null) assertThat(g.toFloats()).doesNotContain(Float.NaN);
        }
        return List.of(run.y(), none.y());
      });
    }
  }
}
