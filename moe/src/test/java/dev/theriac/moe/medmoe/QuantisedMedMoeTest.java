package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Workers;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.io.Weights;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.audit.Fingerprint;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Quantised;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Image;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Med-MoE models with quantised weights, experts among them. */
class QuantisedMedMoeTest {
  /** Of whole models in F32: products of quantised weights sum in another order. */
  private static final double TOLERANCE = 2e-5;

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

  private Path saved(MedMoe model, DType type) {
    Path out = dir.resolve("model");
    model.parameters().forEach((path, p) -> p.set(p.value().to(type)));
    model.save(out, Provenance.of(7, "{}", "none"));
    return out;
  }

  private MedMoe quantised(Path from, QuantisedFormat format, boolean head) {
    Path out = dir.resolve(format + "-" + head);
    new Quantiser(from, out, new Quantisation(format, head)).run();
    return MedMoe.load(out);
  }

  private static Image picture() {
    return Phantoms.test(1, 1, 16).getFirst().image();
  }

  /** The decoder's last states and logits over some tokens. */
  private static float[] logits(MedMoe model) {
    Tensor ids = Tensor.of(new long[] {5, 100, 7, 42, 300, 9, 9, 65}, 2, 4);
    Tensor positions = Tensor.of(new long[] {0, 1, 2, 3, 0, 1, 2, 3}, 2, 4);
    return Autograd.noGrad(() -> {
      Tensor hidden =
          model
              .language()
              .forward(model.language().embed(ids), positions, null, null, false)
              .hidden();
      return model.language().logits(hidden).toFloats();
    });
  }

  private static MedMoe dequantised(Path from, MedMoe quantised) {
    MedMoe out = MedMoe.load(from);
    out.train(path -> false);
    quantised
        .parameters()
        .forEach((path, p) -> {
          if (!p.isQuantised()) return;
          List<Tensor> each = p.quantised().stream().map(Quantised::dequantise).toList();
          Parameter to = out.parameters().get(path);
          to.set(
              to.isStacked()
                  ? ShapeFunctions.concat(0, each.stream().map(t -> t.unsqueeze(0)).toList())
                  : each.getFirst());
        });
    return out;
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void expertsAndBlocksHaveTheLogitsOfTheValuesTheyStandFor(Family family) {
    Path from = saved(TinyModels.mixture(family), DType.BF16);
    for (QuantisedFormat format : QuantisedFormat.values()) {
      MedMoe model = quantised(from, format, format == QuantisedFormat.INT4);
      model
          .parameters()
          .forEach((path, p) -> {
            boolean expected =
                path.matches("language\\.layers\\..*(_proj|dense|fc1|fc2)\\.weight")
                    || format == QuantisedFormat.INT4 && path.equals("language.lm_head.weight");
            assertThat(p.isQuantised()).as(path).isEqualTo(expected);
            if (!expected) assertThat(p.value().dtype()).as(path).isEqualTo(DType.BF16);
          });
      assertThat(model.moeLayers()).isNotEmpty();
      MedMoe exact = dequantised(from, model);
      assertThat(model.parameterCount()).isEqualTo(exact.parameterCount());
      assertThat(model.activeParameters()).isEqualTo(exact.activeParameters());
      float[] got = logits(model);
      float[] wanted = logits(exact);
      double largest = 0;
      double distance = 0;
      for (int i = 0; i < got.length; i++) {
        largest = Math.max(largest, Math.abs(wanted[i]));
        distance = Math.max(distance, Math.abs((double) got[i] - wanted[i]));
      }
      assertThat(distance / largest).isLessThan(TOLERANCE);
      if (!format.hasScales()) assertThat(got).isEqualTo(logits(MedMoe.load(from)));
      assertThat(model.ask(picture(), "Is this CT?"))
          .isEqualTo(exact.ask(picture(), "Is this CT?"));
    }
    assertThat(ModelDirectory.provenance(dir.resolve("INT8-false")).seed()).isEqualTo(7);
  }

  @Test
  void hasTheSameBitsForEveryNumberOfThreads() {
    Path from = saved(TinyModels.mixture(Family.STABLELM), DType.F32);
    MedMoe model = quantised(from, QuantisedFormat.INT4, true);
    float[] wanted = logits(model);
    int before = Workers.threads();
    try {
      for (int threads : new int[] {1, 2, 5}) {
        Workers.setThreads(threads);
        assertThat(logits(model)).isEqualTo(wanted);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  /** Stacked tensors are copied when they are read; matrices of experts stay in their file. */
  @Test
  void matricesOfExpertsAreNotCopied() {
    Path from = saved(TinyModels.mixture(Family.PHI), DType.F32);
    Path out = dir.resolve("out");
    new Quantiser(from, out, new Quantisation(QuantisedFormat.INT8, false)).run();
    Memory.resetPeak();
    long before = Memory.stats().live();
    MedMoe.load(from);
    long copied = Memory.stats().live() - before;
    before = Memory.stats().live();
    MedMoe model = MedMoe.load(out);
    // Two layers of four experts, two matrices of 16 by 24 each, in F32.
    assertThat(copied - (Memory.stats().live() - before)).isGreaterThanOrEqualTo(16 * 16 * 24 * 4);
    assertThat(model.moeLayers().getFirst().experts().parameters().values())
        .anyMatch(Parameter::isQuantised);
  }

  /** By which an audit trail tells models apart. */
  @Test
  void hasAFingerprintOfItsOwn() {
    Path from = saved(TinyModels.mixture(Family.PHI), DType.F32);
    String eight = Fingerprint.of(quantised(from, QuantisedFormat.INT8, false));
    assertThat(Fingerprint.of(quantised(from, QuantisedFormat.INT8, false)))
        .isEqualTo(eight)
        .isNotEqualTo(Fingerprint.of(quantised(from, QuantisedFormat.INT4, false)))
        .isNotEqualTo(Fingerprint.of(MedMoe.load(from)));
  }

  @Test
  void aDenseModelAnswersToo() {
    Path from = saved(TinyModels.dense(Family.PHI), DType.F16);
    MedMoe model = quantised(from, QuantisedFormat.INT8, false);
    assertThat(model.ask(picture(), "What is this?"))
        .isEqualTo(dequantised(from, model).ask(picture(), "What is this?"));
  }

  @Test
  void anExpertThatIsMissingIsNamed() {
    Path from = saved(TinyModels.mixture(Family.PHI), DType.F32);
    Path out = dir.resolve("out");
    new Quantiser(from, out, new Quantisation(QuantisedFormat.INT8, false)).run();
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>(Weights.open(out).tensors());
    String key = "model.layers.0.mlp.deepspeed_moe.experts.deepspeed_experts.2.fc1.weight.int8";
    Tensor lost = tensors.remove(key);
    SafeTensors.writeModel(out, tensors, Map.of(), 1 << 24);
    assertThatThrownBy(() -> MedMoe.load(out))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("1 missing")
        .hasMessageContaining("deepspeed_experts.2.fc1.weight");
    tensors.put(key, lost.reshape(-1));
    SafeTensors.writeModel(out, tensors, Map.of(), 1 << 24);
    assertThatThrownBy(() -> MedMoe.load(out))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(key);
  }
}
