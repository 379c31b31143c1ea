package dev.theriac.moe.lm;

import static dev.theriac.moe.lm.ReferenceFile.assertClose;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.op.Loss;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against Hugging Face's transformers in F64: {@code reference.py} beside the fixtures. */
class MoeLanguageModelTest extends MoeLanguageModelFixture {
  @ParameterizedTest
  @MethodSource("names")
  void g01LogitsLossAndGradientsAreThoseOfTransformers(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = model(name, reference);
    SequencedMap<String, Tensor> wanted =
        model.config().kind().keys().join(reference.under("gradients."));
    onEach(() -> {
      MoeLanguageModel.Forward out = forward(model, reference);
      Tensor logits = reference.floats("logits");
      long[] lengths = reference.longs("lengths");
      for (int row = 0; row < lengths.length; row++) {
        assertClose(
            "logits of row " + row,
            out.logits().select(0, row).slice(0, 0, lengths[row]),
            logits.select(0, row).slice(0, 0, lengths[row]),
            FORWARD);
      }
      assertClose("loss", out.loss().reshape(1), reference.floats("loss"), FORWARD);
      assertClose("auxiliary", out.auxiliary().reshape(1), reference.floats("auxiliary"), FORWARD);
      Gradients grads = out.loss().backward();
      SequencedMap<String, Parameter> parameters = model.decoder().parameters();
      assertThat(parameters.keySet()).containsExactlyInAnyOrderElementsOf(wanted.keySet());
      parameters.forEach((path, p) ->
          assertClose("gradient of " + path, grads.get(p.value()), wanted.get(path), BACKWARD));
    });
  }

  @ParameterizedTest
  @MethodSource("names")
  void greedyGenerationWithACacheIsThatOfTransformers(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = model(name, reference);
    long[] ids = reference.longs("ids");
    long[] lengths = reference.longs("lengths");
    int width = ids.length / lengths.length;
    List<int[]> prompts = new ArrayList<>();
    for (int row = 0; row < lengths.length; row++) {
      prompts.add(
          Arrays.stream(ids, row * width, row * width + (int) lengths[row])
              .mapToInt(Math::toIntExact)
              .toArray());
    }
    onEach(() -> {
      List<int[]> together = model.generate(prompts, GenerationConfig.greedy(7));
      for (int row = 0; row < lengths.length; row++) {
        int[] wanted =
            Arrays.stream(reference.longs("generated." + row)).mapToInt(Math::toIntExact).toArray();
        assertThat(together.get(row)).as("row %d", row).isEqualTo(wanted);
        assertThat(model.generate(prompts.subList(row, row + 1), GenerationConfig.greedy(7)).get(0))
            .as("row %d alone", row)
            .isEqualTo(wanted);
      }
    });
  }

  @Test
  void fillingChangesNoLoss() {
    ReferenceFile reference = new ReferenceFile("olmoe");
    MoeLanguageModel model = model(Kind.OLMOE, reference);
    Tensor lengths = reference.get("lengths");
    long[] ids = reference.longs("ids");
    float loss = forward(model, reference).loss().item();
    for (int t = 6; t < 9; t++) ids[9 + t] = 11;
    assertThat(model.forward(Tensor.of(ids, 2, 9), lengths, reference.get("labels")).loss().item())
        .isEqualTo(loss);
  }

  @ParameterizedTest
  @MethodSource("names")
  void trainingFromFreshWeightsLowersTheLossAndMovesEveryParameter(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    MoeLanguageModel model = new MoeLanguageModel(config(name), new Rng(3));
    Map<String, float[]> before = new LinkedHashMap<>();
    model.parameters().forEach((path, p) -> before.put(path, p.value().toFloats()));
    float first = forward(model, reference).loss().item();
    try (AdamW optimizer = AdamW.of(model.parameters(), 0.01)) {
      for (int step = 0; step < 15; step++) {
        try (Scope _ = Scope.open()) {
          optimizer.step(forward(model, reference).loss().backward(), 1, 1);
        }
      }
    }
    assertThat(forward(model, reference).loss().item()).isLessThan(0.8f * first);
    model
        .parameters()
        .forEach(
            (path, p) -> assertThat(p.value().toFloats()).as(path).isNotEqualTo(before.get(path)));
  }

  @Test
  void aTextOfOneTokenTeachesNothingAndAnEmptyOneIsAnError() {
    MoeModelConfig shape = config(Kind.MIXTRAL);
    MoeLanguageModel model = new MoeLanguageModel(shape, new Rng(5));
    Tensor ids = Tensor.of(new long[] {3, 7}, 2, 1);
    MoeLanguageModel.Forward out = model.forward(ids, null, ids);
    assertThat(out.crossEntropy().item()).isZero();
    assertThat(out.logits().shape()).containsExactly(2, 1, shape.decoder().vocabulary());
    float wanted = (float) shape.auxiliaryCoefficient() * out.auxiliary().item();
    assertThat(out.loss().item()).isEqualTo(wanted);
    Gradients grads = out.crossEntropy().backward();
    model
        .parameters()
        .forEach((path, p) -> {
          Tensor g = grads.get(p.value());
          if (g != null) assertThat(g.toFloats()).as(path).containsOnly(0);
        });
    Tensor none = Tensor.of(new long[0], 2, 0);
    assertThatThrownBy(() -> model.forward(none, null, none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("[2, 0]", "one token or more");
    assertThatThrownBy(() -> model.forward(ids, null, Tensor.of(new long[] {3}, 1, 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("[1, 1]", "[2, 1]");
  }

  /** The logits are there once, before and in the backward pass. */
  @Test
  void theLossHoldsNoSecondTensorOfLogits() {
    MoeLanguageModel model = new MoeLanguageModel(wide(), new Rng(5));
    long[] ids = new long[256];
    for (int i = 0; i < ids.length; i++) ids[i] = i * 31 % 32768;
    Tensor text = Tensor.of(ids, 2, 128);
    long logits = 4L * ids.length * 32768;
    long before = Memory.stats().live();
    Memory.resetPeak();
    MoeLanguageModel.Forward out = model.forward(text, null, text);
    assertThat(Memory.stats().peak() - before).isBetween(logits, logits * 5 / 4);
    Memory.resetPeak();
    out.loss().backward();
    // Beside them the gradients of two matrices [V, d].
    assertThat(Memory.stats().peak() - before).isLessThan(logits * 7 / 4);
  }

  /** Labels are moved to the logits that predict them; moving the logits would be the same. */
  @Test
  void theLossIsThatOfEachPositionButTheLast() {
    MoeModelConfig shape = config(Kind.MIXTRAL);
    long vocabulary = shape.decoder().vocabulary();
    MoeLanguageModel model = new MoeLanguageModel(shape, new Rng(5));
    model.train(false);
    long[] ids = {3, 7, 1, 5, 2, 4, 6, 0, 1, 8};
    long[] labels = {3, 7, 1, Loss.IGNORE_INDEX, 2, 4, 6, 0, 1, 8};
    Tensor text = Tensor.of(ids, 2, 5);
    MoeLanguageModel.Forward out = model.forward(text, null, Tensor.of(labels, 2, 5));
    Tensor logits = model.forward(text, null, null).logits().slice(1, 0, 4).reshape(8, vocabulary);
    Tensor wanted = Tensor.of(labels, 2, 5).slice(1, 1, 5).reshape(8);
    Tensor entropy = Loss.crossEntropy(logits, wanted);
    assertThat(out.crossEntropy().item()).isCloseTo(entropy.item(), within(1e-6f));
    Gradients found = out.crossEntropy().backward();
    Gradients slow = entropy.backward();
    model
        .parameters()
        .forEach((path, p) -> {
          Tensor g = slow.get(p.value());
          if (g == null) assertThat(found.get(p.value())).as(path).isNull();
          else assertThat(found.get(p.value()).toFloats()).as(path).isEqualTo(g.toFloats());
        });
  }
}
