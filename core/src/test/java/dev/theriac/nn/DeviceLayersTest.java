package dev.theriac.nn;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.io.SafeTensors;
import dev.theriac.op.Autograd;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Layers whose weights were moved to another device, and what reads and writes those. */
class DeviceLayersTest {
  private static final int DIM = 24;

  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static SelfAttention attention(QueryKeyNorm.Kind norm, int window, double clip) {
    var config =
        new SelfAttention.Config(
            DIM,
            3,
            1,
            8,
            true,
            true,
            "dense",
            true,
            4,
            10_000,
            RopeScaling.NONE,
            norm,
            1e-5,
            window,
            clip,
            0.1);
    return new SelfAttention(config, new Rng(3), 0.3, 0.3);
  }

  private static Tensor positions(Device device, long from, int count) {
    long[] all = new long[2 * count];
    Arrays.setAll(all, i -> from + i % count);
    return Tensor.of(device, all, 2, count);
  }

  /** What a body gives on the host and, with the same kernels, on the device. */
  private static void sameBits(Function<Device, List<float[]>> body) {
    List<float[]> wanted = Backends.with(Backends.scalar(), () -> body.apply(Device.CPU));
    List<float[]> found = body.apply(DEVICE);
    assertThat(found).hasSameSizeAs(wanted);
    for (int i = 0; i < found.size(); i++) assertThat(found.get(i)).isEqualTo(wanted.get(i));
  }

  /** Nothing says where to make tensors: a layer goes by its input. */
  @ParameterizedTest
  @EnumSource(QueryKeyNorm.Kind.class)
  void attentionTrainsThere(QueryKeyNorm.Kind norm) {
    for (int window : new int[] {0, 5}) {
      for (boolean training : new boolean[] {false, true}) {
        sameBits(device -> {
          SelfAttention layer = attention(norm, window, 1.5);
          assertThat(layer.to(device)).isSameAs(layer);
          layer.train(training);
          Tensor x = Tensor.randn(new Rng(5), 1, 2, 17, DIM).to(device).requireGrad(true);
          Tensor lengths = Tensor.of(device, new long[] {17, 9});
          Tensor y = layer.forward(x, positions(device, 0, 17), lengths, null, 0);
          assertThat(y.device()).isEqualTo(device);
          float[] values = y.toFloats();
          var gradients = y.mul(y).sum().backward();
          List<float[]> out = new ArrayList<>(List.of(values, gradients.get(x).toFloats()));
          layer.parameters().values().forEach(p -> out.add(gradients.get(p.value()).toFloats()));
          return out;
        });
      }
    }
  }

  @Test
  void aCacheLivesThere() {
    sameBits(device -> {
      SelfAttention layer = attention(QueryKeyNorm.Kind.NONE, 0, 0);
      layer.to(device);
      layer.train(false);
      List<float[]> out = new ArrayList<>();
      try (KvCache cache = new KvCache(device, 1, 2, 4, 1, 8)) {
        Autograd.noGrad(() -> {
          Tensor x = Tensor.randn(new Rng(5), 1, 2, 7, DIM).to(device);
          Tensor start = x.slice(1, 0, 4);
          Tensor lengths = Tensor.of(device, new long[] {4, 2});
          Tensor at = positions(device, 0, 4);
          out.add(layer.forward(start, at, lengths, cache, 0).toFloats());
          cache.advance(new long[] {4, 2});
          cache.reserve(7);
          for (int step = 4; step < 7; step++) {
            Tensor next = x.slice(1, step, step + 1);
            long[] seen = cache.lengths();
            Tensor where = Tensor.of(device, seen.clone(), 2, 1);
            Tensor ends = Tensor.of(device, new long[] {seen[0] + 1, seen[1] + 1});
            out.add(layer.forward(next, where, ends, cache, 0).toFloats());
            cache.advance(new long[] {1, 1});
          }
          return null;
        });
      }
      return out;
    });
    try (KvCache cache = Device.with(DEVICE, () -> new KvCache(1, 1, 4, 1, 8))) {
      Tensor key = Tensor.zeros(DEVICE, 1, 1, 1, 8);
      cache.append(0, key, key);
      assertThatThrownBy(() -> cache.append(0, key, key.to(Device.CPU)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("test:0")
          .hasMessageContaining("cpu");
    }
  }

  @Test
  void aLayerThatReadsWeightsKeepsItsPlace() {
    Linear here = new Linear(5, 3, true, new Rng(1), 1);
    Linear there = Device.with(DEVICE, () -> new Linear(5, 3, true, new Rng(2), 1));
    assertThat(there.weight().device()).isEqualTo(DEVICE);
    Map<String, Tensor> weights = new LinkedHashMap<>();
    here.parameters().forEach((path, p) -> weights.put(path, p.value()));
    there.load(weights);
    there
        .parameters()
        .forEach((path, p) -> {
          assertThat(p.device()).isEqualTo(DEVICE);
          assertThat(p.trainable()).isTrue();
          assertThat(p.value().requiresGrad()).isTrue();
          assertThat(p.value().toFloats()).isEqualTo(weights.get(path).toFloats());
        });
  }

  @Test
  void frozenAndTiedParametersMoveOnce() {
    Linear first = new Linear(5, 5, false, new Rng(1), 1);
    Module both =
        new Module() {
          final Linear a = part("a", first);
          final Linear b = part("b", new Linear(first.weight(), true));
        };
    both.train(path -> path.endsWith("bias"));
    both.to(DEVICE);
    assertThat(both.parameters()).containsOnlyKeys("a.weight", "b.bias");
    assertThat(both.parameters().values()).allMatch(p -> p.device().equals(DEVICE));
    assertThat(first.weight().value().requiresGrad()).isFalse();
    assertThat(both.parameters().get("b.bias").value().requiresGrad()).isTrue();
    Tensor value = first.weight().value();
    both.to(DEVICE);
    assertThat(first.weight().value()).isSameAs(value);
    both.to(Device.CPU);
    assertThat(first.weight().device()).isEqualTo(Device.CPU);
  }

  @Test
  void quantisedWeightsMove() {
    for (QuantisedFormat format : QuantisedFormat.values()) {
      sameBits(device -> {
        Linear layer = new Linear(70, 67, true, new Rng(1), 1);
        QuantisedMatrix q = Quantised.quantise(layer.weight().value().to(device), format);
        assertThat(q.bytes().device()).isEqualTo(device);
        layer.weight().setQuantised(List.of(q));
        layer.to(device.equals(DEVICE) ? Device.CPU : DEVICE);
        layer.to(device);
        assertThat(layer.weight().device()).isEqualTo(device);
        Tensor x = Tensor.randn(new Rng(2), 1, 3, 70).to(device);
        return List.of(
            Autograd.noGrad(() -> layer.forward(x)).toFloats(),
            Quantised.dequantise(layer.weight().quantised().getFirst()).toFloats());
      });
    }
  }

  @Test
  void filesDoNotShowWhereTensorsWere() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (DType dtype : DType.values()) {
      tensors.put(dtype.name(), Tensor.randn(new Rng(1), 50, 3, 5).to(dtype).permute(1, 0));
    }
    Map<String, Tensor> there = new LinkedHashMap<>();
    tensors.forEach((key, t) -> there.put(key, t.permute(1, 0).to(DEVICE).permute(1, 0)));
    SafeTensors.write(dir.resolve("here"), tensors, Map.of());
    SafeTensors.write(dir.resolve("there"), there, Map.of());
    assertThat(Files.readAllBytes(dir.resolve("there")))
        .isEqualTo(Files.readAllBytes(dir.resolve("here")));
    // What is read is in host memory, wherever tensors are made by default.
    Tensor read = Device.with(DEVICE, () -> SafeTensors.open(dir.resolve("there")).get("F32"));
    assertThat(read.device()).isEqualTo(Device.CPU);
    assertThat(read.to(DEVICE).toFloats()).isEqualTo(tensors.get("F32").toFloats());
    TokenMask mask = TokenMask.ofLengths(Tensor.of(DEVICE, new long[] {2, 0}), 3);
    assertThat(mask.positions()).containsExactly(0, 1);
  }
}
