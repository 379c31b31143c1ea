package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

/** Tokens whose routing means nothing are told of by everything that saw them. */
class UnusableTest extends ScopedTest {
  private static final Logger LOG = Logger.getLogger("dev.theriac.moe");

  private static MoeLayer layer() {
    Experts.Shape shape = new Experts.Shape(4, 4, 3, true, false, UnaryKind.SILU);
    Experts experts = Experts.fresh(shape, DType.F32, new Rng(2), 0.7);
    return new MoeLayer(identity(logits(4, 2).build()), experts, null);
  }

  /** Five tokens, of which the second and the last hold a NaN. */
  private static Tensor input() {
    float[] u = normal(1, 5, 4).toFloats();
    u[6] = u[17] = Float.NaN;
    return Tensor.of(u, 1, 5, 4);
  }

  @Test
  void layersReportThemAndWarnOnce() {
    List<LogRecord> said = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            said.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    LOG.addHandler(handler);
    LOG.setUseParentHandlers(false);
    try {
      MoeLayer layer = layer();
      layer.forward(normal(1, 1, 5, 4));
      assertThat(said).isEmpty();
      TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {1}, 1), 5);
      assertThat(unusable(layer, mask)).isEmpty();
      assertThat(said).as("filling is no token").isEmpty();
      for (int i = 0; i < 3; i++) assertThat(unusable(layer, null)).containsExactly(1, 4);
      assertThat(said).hasSize(1);
      assertThat(said.getFirst().getMessage()).contains("2 of 5 tokens", "position 1");
      unusable(layer(), null);
      assertThat(said).as("each layer for itself").hasSize(2);
    } finally {
      LOG.removeHandler(handler);
      LOG.setUseParentHandlers(true);
    }
  }

  private static long[] unusable(MoeLayer layer, TokenMask mask) {
    return ((MoeLayer.Side) layer.forward(input(), mask, null).side()).unusable();
  }
}
