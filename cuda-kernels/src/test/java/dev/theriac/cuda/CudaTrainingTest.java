package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.nn.Dropout;
import dev.theriac.nn.Embedding;
import dev.theriac.nn.GatedMlp;
import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.RmsNorm;
import dev.theriac.nn.SelfAttention;
import dev.theriac.op.Gradients;
import dev.theriac.op.Loss;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/**
 * Steps of training with everything on the device: those of the CPU, and the same bits each time.
 */
class CudaTrainingTest {
  private static final int VOCABULARY = 61;
  private static final int BATCH = 2;
  private static final int LENGTH = 19;
  private static final int STEPS = 4;

  /** Losses and weights are sums of many terms, over several steps of an optimiser. */
  private static final double TOLERANCE = 2e-4;

  private final CudaDevice device = EmulatedCuda.device();

  private static final class Net extends Module {
    private final Embedding embedding;
    private final Dropout dropout;
    private final LayerNorm norm1;
    private final RmsNorm norm2;
    private final SelfAttention attention;
    private final GatedMlp mlp;
    private final Linear head;

    Net(int dim) {
      Rng rng = new Rng(7);
      embedding = part("embedding", new Embedding(VOCABULARY, dim, rng, 0.5));
      dropout = part("dropout", new Dropout(0.1, new Rng(7, 1, 0)));
      norm1 = part("norm1", new LayerNorm(dim, 1e-5));
      norm2 = part("norm2", new RmsNorm(dim, 1e-5));
      var config =
          new SelfAttention.Config(dim, 4, 2, dim / 4, true, true, "dense", true, dim / 4, 10_000);
      attention = part("attention", new SelfAttention(config, rng, 0.2, 0.1));
      mlp = part("mlp", new GatedMlp(dim, 2 * dim + 1, rng, 0.2, 0.1));
      head = part("head", new Linear(dim, VOCABULARY, true, rng, 0.2));
      head.weight().set(head.weight().value().to(DType.BF16));
      train(_ -> true);
    }

    Tensor loss(int step) {
      Rng data = new Rng(100 + step);
      long[] ids = new long[BATCH * LENGTH];
      long[] positions = new long[ids.length];
      long[] targets = new long[ids.length];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = data.nextInt(VOCABULARY);
        positions[i] = i % LENGTH;
        targets[i] = i % 5 == 0 ? Loss.IGNORE_INDEX : (3 * ids[i] + 1) % VOCABULARY;
      }
      Tensor x = dropout.forward(embedding.forward(Tensor.of(ids, BATCH, LENGTH)));
      Tensor at = Tensor.of(positions, BATCH, LENGTH);
      x = x.add(attention.forward(norm1.forward(x), at, null, null, 0));
      x = x.add(mlp.forward(norm2.forward(x)));
      return Loss.crossEntropy(head.forward(x).reshape(-1, VOCABULARY), Tensor.of(targets));
    }
  }

  /** Losses of all steps, then all weights. */
  private static List<float[]> run(Device on) {
    try (Scope _ = Scope.open()) {
      Net net = new Net(32);
      net.to(on);
      List<float[]> found = new ArrayList<>();
      try (var optimizer =
          AdamW.builder().lr(1e-2).weightDecay(0.1).add(net.parameters()).build()) {
        for (int step = 0; step < STEPS; step++) {
          try (Scope _ = Scope.open()) {
            Tensor loss = net.loss(step);
            found.add(new float[] {loss.item()});
            Gradients gradients = loss.backward();
            optimizer.step(gradients, 1, 0.5);
          }
        }
      }
      net.parameters()
          .values()
          .forEach(p -> {
            assertThat(p.value().device()).isEqualTo(on);
            found.add(p.value().toFloats());
          });
      return found;
    }
  }

  private List<float[]> onDevice() {
    return onDevice(() -> run(device.device()));
  }

  private <T> T onDevice(Supplier<T> body) {
    return Backends.with(new CudaBackend(device), () -> Device.with(device.device(), body));
  }

  @Test
  void stepsAreThoseOfTheCpu() {
    List<float[]> wanted = run(Device.CPU);
    List<float[]> found = onDevice();
    assertThat(found).hasSameSizeAs(wanted);
    for (int i = 0; i < wanted.size(); i++) {
      double difference = 0;
      double size = 0;
      for (int j = 0; j < wanted.get(i).length; j++) {
        double apart = Math.abs(found.get(i)[j] - (double) wanted.get(i)[j]);
        difference = apart <= difference ? difference : apart;
        size = Math.max(size, Math.abs(wanted.get(i)[j]));
      }
      // Weights in BF16 may be rounded to the next number on either side.
      assertThat(difference).as("result %d", i).isLessThanOrEqualTo(TOLERANCE * size);
    }
    assertThat(wanted.get(STEPS - 1)[0]).isLessThan(wanted.getFirst()[0]);
  }

  @Test
  void sameBitsInEveryRun() {
    List<float[]> first = onDevice();
    List<float[]> second = onDevice();
    for (int i = 0; i < first.size(); i++) assertThat(second.get(i)).isEqualTo(first.get(i));
  }
}
