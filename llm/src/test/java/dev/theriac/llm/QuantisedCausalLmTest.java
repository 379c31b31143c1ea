package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Workers;
import dev.theriac.io.FileException;
import dev.theriac.io.QuantisedTensors;
import dev.theriac.io.SafeTensors;
import dev.theriac.io.Weights;
import dev.theriac.llm.quantised.AccuracyLoss;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.llm.quantised.WeightLoss;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Quantised models of every family, made, read and run. */
class QuantisedCausalLmTest extends CausalFixture {
  /** Of whole models in F32: products of quantised weights sum in another order. */
  private static final double TOLERANCE = 2e-5;

  private static Quantisation to(QuantisedFormat format, boolean head) {
    return new Quantisation(format, head);
  }

  private static Tensor logits(CausalLm model, CausalReference reference) {
    return model.forward(reference.get("ids"), reference.mask(), null).logits();
  }

  /** The model with the values in F32 that its matrices stand for. */
  private static CausalLm dequantised(Path from, CausalLm quantised) {
    CausalLm out = CausalLm.load(from);
    out.train(path -> false);
    quantised
        .parameters()
        .forEach((path, p) -> {
          if (!p.isQuantised()) return;
          out.parameters().get(path).set(Quantised.dequantise(p.quantised().getFirst()));
        });
    return out;
  }

  /** Projections of the blocks and nothing else, every family: with the logits of their values. */
  @ParameterizedTest
  @MethodSource("names")
  void hasTheLogitsOfTheValuesItStandsFor(String name) throws IOException {
    CausalReference reference = new CausalReference(name);
    Path from = published(name);
    for (QuantisedFormat format : QuantisedFormat.values()) {
      boolean head = format == QuantisedFormat.INT4 && !reference.config().decoder().tiedHead();
      Path out = dir.resolve(format.name());
      Quantiser.Result result = new Quantiser(from, out, to(format, head)).run();
      CausalLm model = CausalLm.load(out);
      assertThat(model.config()).isEqualTo(reference.config());
      model
          .decoder()
          .parameters()
          .forEach((path, p) -> {
            boolean expected =
                path.matches("layers\\..*(_proj|dense|fc1|fc2)\\.weight")
                    || head && path.equals("lm_head.weight");
            assertThat(p.isQuantised()).as(path).isEqualTo(expected);
            if (!expected) assertThat(p.value().dtype()).as(path).isEqualTo(DType.BF16);
          });
      assertThat(model.parameterCount()).isEqualTo(CausalLm.load(from).parameterCount());
      Tensor got = logits(model, reference);
      Tensor wanted = logits(dequantised(from, model), reference);
      assertThat(CausalReference.distance(name, got, wanted, reference.mask()))
          .isLessThan(TOLERANCE);
      if (format.hasScales()) {
        double bound = format == QuantisedFormat.INT8 ? 0.006 : 0.11;
        assertThat(result.losses())
            .allSatisfy(l -> assertThat(l.relativeError()).as(l.key()).isBetween(1e-5, bound));
      } else {
        // The weights are BF16: the model is the same, to the bit.
        assertThat(result.losses()).allSatisfy(l -> assertThat(l.largestError()).isZero());
        assertThat(got.toFloats()).isEqualTo(logits(CausalLm.load(from), reference).toFloats());
      }
      var settings = GenerationConfig.greedy(8);
      assertThat(model.generate(reference.prompts(), settings).toArray(int[][]::new))
          .isDeepEqualTo(
              dequantised(from, model)
                  .generate(reference.prompts(), settings)
                  .toArray(int[][]::new));
    }
  }

  @ParameterizedTest
  @EnumSource
  void hasTheSameBitsForEveryNumberOfThreads(QuantisedFormat format) throws IOException {
    CausalReference reference = new CausalReference("stablelm-options");
    Path from = published("stablelm-options");
    int before = Workers.threads();
    Map<String, byte[]> files = new LinkedHashMap<>();
    float[] logits = null;
    List<WeightLoss> losses = null;
    AccuracyLoss accuracy = null;
    try {
      for (int threads : new int[] {1, 2, 5}) {
        Workers.setThreads(threads);
        Path out = dir.resolve("threads" + threads);
        List<WeightLoss> l = new Quantiser(from, out, to(format, false)).run().losses();
        CausalLm model = CausalLm.load(out);
        float[] y = logits(model, reference).toFloats();
        AccuracyLoss a =
            AccuracyLoss.of(
                CausalLm.load(from).decoder(), model.decoder(), reference.prompts(), done -> {});
        try (Stream<Path> all = Files.list(out)) {
          for (Path f : all.sorted().toList()) {
            byte[] first = files.putIfAbsent(f.getFileName().toString(), Files.readAllBytes(f));
            if (first != null) assertThat(Files.readAllBytes(f)).isEqualTo(first);
          }
        }
        if (logits == null) {
          logits = y;
          losses = l;
          accuracy = a;
        }
        assertThat(y).isEqualTo(logits);
        assertThat(l).isEqualTo(losses);
        assertThat(a).isEqualTo(accuracy);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  /** F32, BF16 and F16 alike, and what was not quantised keeps its bits. */
  @Test
  void takesEveryTypeOfWeights() throws IOException {
    CausalReference reference = new CausalReference("llama");
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      SequencedMap<String, Tensor> weights = new LinkedHashMap<>();
      reference.weights(true).forEach((key, t) -> weights.put(key, t.to(type)));
      Path from = CausalReference.publish(dir.resolve(type.name()), "llama", weights, 1 << 20);
      Path out = dir.resolve(type + "-int8");
      Quantiser.Result result = new Quantiser(from, out, to(QuantisedFormat.INT8, false)).run();
      assertThat(result.losses()).allSatisfy(l -> assertThat(l.dtype()).isEqualTo(type.name()));
      Weights file = Weights.open(out);
      assertThat(file.metadata()).containsEntry("format", "pt");
      for (String key : weights.keySet()) {
        if (to(QuantisedFormat.INT8, false).covers(key)) continue;
        assertThat(file.get(key).dtype()).isEqualTo(type);
        assertThat(file.get(key).toFloats()).isEqualTo(weights.get(key).toFloats());
      }
      CausalLm.load(out).generate(reference.prompts(), GenerationConfig.greedy(2));
    }
  }

  /** The losses that are reported are those of the matrices that are written. */
  @Test
  void lossesAreThoseOfTheFile() throws IOException {
    Path from = published("phi");
    Path out = dir.resolve("out");
    Quantiser.Result result = new Quantiser(from, out, to(QuantisedFormat.INT4, true)).run();
    Weights before = Weights.open(from);
    Weights after = Weights.open(out);
    long bytes = 0;
    for (String key : after.keys()) bytes += after.entry(key).bytes();
    assertThat(result.bytesAfter()).isEqualTo(bytes);
    assertThat(result.losses().size() + result.kept()).isEqualTo(before.keys().size());
    assertThat(result.filled()).isPositive();
    for (WeightLoss l : result.losses()) {
      float[] w = before.get(l.key()).to(DType.F32).toFloats();
      String key = QuantisedTensors.key(l.key(), QuantisedFormat.INT4);
      float[] q =
          Quantised.dequantise(
                  QuantisedTensors.read(after, key, QuantisedFormat.INT4, l.rows(), l.columns()))
              .toFloats();
      double difference = 0;
      double square = 0;
      for (int i = 0; i < w.length; i++) {
        difference += ((double) w[i] - q[i]) * ((double) w[i] - q[i]);
        square += (double) w[i] * w[i];
      }
      assertThat(l.relativeError()).isEqualTo(Math.sqrt(difference / square));
      assertThat(l.size()).isEqualTo(w.length);
    }
  }

  /** Reading maps, and quantising holds one weight at a time. */
  @Test
  void holdsNoCopyOfTheWeights() throws IOException {
    DecoderConfig shape = new CausalReference("llama").config().decoder();
    var wide =
        new DecoderConfig(shape.family(), 512, 512, 2048, 6, 8, 8, 64, 1e4, 64, 1e-5, 0, 0.02);
    var config = new CausalLmConfig(CausalLmConfig.Kind.LLAMA, wide, null, List.of(), null);
    Path from = dir.resolve("wide");
    try (Scope _ = Scope.open()) {
      CausalLm model = new CausalLm(config, new Rng(1));
      model.parameters().forEach((path, p) -> p.set(p.value().to(DType.BF16)));
      model.save(from);
      model.parameters().values().forEach(p -> p.value().close());
    }
    Path out = dir.resolve("narrow");
    Memory.resetPeak();
    long before = Memory.stats().live();
    Quantiser.Result result = new Quantiser(from, out, to(QuantisedFormat.INT4, true)).run();
    // The largest of 43 weights has a megavalue: its matrix, and F32 copies of it twice.
    assertThat(result.bytesBefore()).isGreaterThan(50_000_000);
    assertThat(Memory.stats().peak() - before).isLessThan(10_000_000);
    assertThat(result.bytesAfter()).isLessThan(result.bytesBefore() * 30 / 100);
    Memory.resetPeak();
    before = Memory.stats().live();
    CausalLm model = CausalLm.load(out);
    model.generate(List.of(new int[] {1, 2, 3}), GenerationConfig.greedy(3));
    assertThat(Memory.stats().peak() - before).isLessThan(result.bytesAfter() / 10);
  }

  @Test
  void tokenizerAndSettingsTravelAlong() throws IOException {
    Path from = published("llama");
    BuiltInTokenizer.load().save(from);
    Files.writeString(from.resolve("generation_config.json"), GenerationConfig.greedy(9).json());
    Path out = dir.resolve("out");
    new Quantiser(from, out, to(QuantisedFormat.INT8, false)).run();
    CausalLm model = CausalLm.load(out);
    assertThat(model.generation().maxNewTokens()).isEqualTo(9);
    assertThat(model.tokenizer().encode("liver"))
        .isEqualTo(BuiltInTokenizer.load().encode("liver"));
    assertThat(Files.readString(out.resolve("config.json")))
        .contains("\"quant_method\" : \"theriac\"", "\"block_size\" : 32", "\"llama\"");
  }

  @Test
  void aQuantisedModelIsForInference() throws IOException {
    Path out = dir.resolve("out");
    new Quantiser(published("phi"), out, to(QuantisedFormat.INT8, false)).run();
    CausalLm model = CausalLm.load(out);
    assertThatThrownBy(() -> model.train(path -> true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("quantised");
    assertThatThrownBy(() -> model.save(dir.resolve("copy")))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("quantised");
  }

  @Test
  void comparesLogits() throws IOException {
    Path from = published("qwen2");
    Path out = dir.resolve("out");
    CausalLm exact = CausalLm.load(from);
    int vocabulary = exact.config().decoder().vocabulary();
    List<int[]> rows = AccuracyLoss.rows(AccuracyLoss.random(50, vocabulary, 3), 16, 40);
    assertThat(rows).extracting(r -> r.length).containsExactly(16, 16, 8);
    assertThat(AccuracyLoss.random(50, vocabulary, 3))
        .isEqualTo(AccuracyLoss.random(50, vocabulary, 3))
        .isNotEqualTo(AccuracyLoss.random(50, vocabulary, 4));
    AccuracyLoss same = AccuracyLoss.of(exact.decoder(), exact.decoder(), rows, done -> {});
    assertThat(same.tokens()).isEqualTo(40);
    assertThat(same.predicted()).isEqualTo(37);
    assertThat(same.maxRelative()).isZero();
    assertThat(same.maxDivergence()).isLessThan(1e-12);
    assertThat(same.topAgreement()).isEqualTo(1);
    assertThat(same.approximateLoss()).isEqualTo(same.loss());
    // The loss is that of the model, row by row.
    double loss = 0;
    for (int[] row : rows) {
      long[] ids = new long[row.length];
      for (int i = 0; i < ids.length; i++) ids[i] = row[i];
      Tensor t = Tensor.of(ids, 1, ids.length);
      loss += exact.forward(t, null, t).loss().item() * (row.length - 1);
    }
    assertThat(same.loss())
        .isCloseTo(loss / 37, org.assertj.core.data.Percentage.withPercentage(1e-3));
    double[] far = new double[2];
    for (QuantisedFormat format : List.of(QuantisedFormat.INT8, QuantisedFormat.INT4)) {
      new Quantiser(from, out, to(format, false)).run();
      AccuracyLoss a =
          AccuracyLoss.of(exact.decoder(), CausalLm.load(out).decoder(), rows, done -> {});
      assertThat(a.meanRelative()).isBetween(1e-6, a.maxRelative());
      assertThat(a.meanDivergence()).isBetween(1e-12, a.maxDivergence());
      far[format.ordinal()] = a.meanDivergence();
    }
    assertThat(far[0]).isLessThan(far[1]);
    assertThatThrownBy(() ->
            AccuracyLoss.of(
                exact.decoder(), exact.decoder(), List.of(new int[] {vocabulary}), done -> {}))
        .hasMessageContaining("token " + vocabulary);
    assertThatThrownBy(
            () -> AccuracyLoss.of(exact.decoder(), exact.decoder(), List.of(), done -> {}))
        .hasMessageContaining("no token");
  }

  /** A tensor of the name that a matrix gets would be lost. */
  @Test
  void aTensorInTheWayIsNamed() throws IOException {
    SequencedMap<String, Tensor> weights = new CausalReference("llama").weights(false);
    String key =
        weights.keySet().stream().filter(k -> k.endsWith("q_proj.weight")).findFirst().get();
    weights.put(key + ".bf16", Tensor.zeros(3));
    Path from = published("llama", weights);
    assertThatThrownBy(
            () -> new Quantiser(from, dir.resolve("out"), to(QuantisedFormat.BF16, false)))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("\"" + key + ".bf16\"")
        .hasMessageContaining("rename");
    assertThat(new Quantiser(from, dir.resolve("out"), to(QuantisedFormat.INT8, false)).count())
        .isPositive();
  }

  @Test
  void shardsBecomeShardsThatCanBeRead() throws IOException {
    Path from = published("llama");
    Path out = dir.resolve("shards");
    assertThat(from.resolve("model.safetensors.index.json")).exists();
    new Quantiser(from, out, to(QuantisedFormat.BF16, false)).run(20_000);
    assertThat(out.resolve("model.safetensors.index.json")).exists();
    CausalReference reference = new CausalReference("llama");
    assertThat(logits(CausalLm.load(out), reference).toFloats())
        .isEqualTo(logits(CausalLm.load(from), reference).toFloats());
  }

  @Test
  void saysWhatCannotBeQuantised() throws IOException {
    Quantisation wanted = to(QuantisedFormat.INT8, false);
    assertThatThrownBy(() -> new Quantiser(dir.resolve("nowhere"), dir.resolve("out"), wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("nowhere");
    Path from = published("llama");
    assertThatThrownBy(() -> new Quantiser(from, from, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("the model that is read");
    Path other = dir.resolve("other");
    Files.createDirectories(other);
    Files.copy(from.resolve("config.json"), other.resolve("config.json"));
    assertThatThrownBy(() -> new Quantiser(from, other, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no quantised model");
    Files.move(other.resolve("config.json"), other.resolve("pytorch_model.bin"));
    assertThatThrownBy(() -> new Quantiser(from, other, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no quantised model");
    assertThat(other.resolve("pytorch_model.bin")).exists();
    Path out = dir.resolve("out");
    new Quantiser(from, out, wanted).run();
    // Its own output may be replaced, with all that the next model would be read with.
    Files.writeString(out.resolve("chat_template.jinja"), "of the one before");
    new Quantiser(from, out, to(QuantisedFormat.INT4, false)).run();
    assertThat(out.resolve("chat_template.jinja")).doesNotExist();
    assertThatThrownBy(() -> new Quantiser(out, dir.resolve("twice"), wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining("quantised already (int4)");
    String config = Files.readString(from.resolve("config.json"));
    Files.writeString(
        from.resolve("config.json"),
        config.replaceFirst("\\{", "{\"quantization_config\": {\"quant_method\": \"gptq\"},"));
    assertThatThrownBy(() -> new Quantiser(from, out, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("gptq");
    Files.writeString(
        from.resolve("config.json"),
        config
            .replaceFirst("\"tie_word_embeddings\": *\\w+,", "")
            .replaceFirst("\\{", "{\"tie_word_embeddings\": true,"));
    assertThatThrownBy(() -> new Quantiser(from, out, to(QuantisedFormat.INT8, true)))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("tie_word_embeddings");
  }

  @Test
  void whatIsNotFiniteIsNamedAndTheEarlierModelStays() throws IOException {
    SequencedMap<String, Tensor> weights = new CausalReference("llama").weights(true);
    Path out = dir.resolve("out");
    Quantisation wanted = to(QuantisedFormat.INT8, false);
    new Quantiser(published("llama", weights), out, wanted).run();
    byte[] before = Files.readAllBytes(out.resolve("model.safetensors"));
    String key = "model.layers.1.mlp.down_proj.weight";
    Tensor bad = weights.get(key).mul(Float.NaN);
    weights.put(key, bad);
    Path from = dir.resolve("published");
    SafeTensors.writeModel(from, weights, Map.of(), 20_000);
    assertThatThrownBy(() -> new Quantiser(from, out, wanted).run())
        .isInstanceOf(FileException.class)
        .hasMessageContaining(key)
        .hasMessageContaining("[0, 0] is NaN");
    assertThat(Files.readAllBytes(out.resolve("model.safetensors"))).isEqualTo(before);
    try (Stream<Path> left = Files.list(out)) {
      assertThat(left.map(f -> f.getFileName().toString())).allMatch(n -> !n.endsWith(".tmp"));
    }
    CausalLm.load(out);
    weights.put(key, Tensor.zeros(2, 3, 4));
    SafeTensors.writeModel(from, weights, Map.of(), 20_000);
    assertThatThrownBy(() -> new Quantiser(from, out, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("F32[2, 3, 4]");
    SafeTensors.writeModel(from, Map.of("model.norm.weight", Tensor.ones(3)), Map.of(), 20_000);
    assertThatThrownBy(() -> new Quantiser(from, out, wanted))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("nothing to quantise");
  }

  /** Files whose configuration and tensors do not agree. */
  @Test
  void damagedModelsAreRefusedByName() throws IOException {
    Path out = dir.resolve("out");
    new Quantiser(published("llama"), out, to(QuantisedFormat.INT8, false)).run();
    Path config = out.resolve("config.json");
    String good = Files.readString(config);
    String[][] bad = {
      {"\"block_size\" : 32", "\"block_size\" : 64", "quantization_config.block_size"},
      {"\"format\" : \"int8\"", "\"format\" : \"int5\"", "quantization_config.format"},
      {"\"bits\" : 8", "\"bits\" : 4", "quantization_config.bits"},
      {"\"version\" : 1", "\"version\" : 2", "quantization_config.version"},
      {"\"scale_dtype\" : \"bf16\"", "\"scale_dtype\" : \"f32\"", "scale_dtype"},
      {"\"head\" : false", "\"head\" : false, \"zeros\": 1", "quantization_config.zeros"},
      {"\"head\" : false", "\"head\" : true", "lm_head.weight.int8"},
      {"\"quant_method\" : \"theriac\"", "\"quant_method\" : \"awq\"", "awq"},
    };
    for (String[] b : bad) {
      assertThat(good).contains(b[0]);
      Files.writeString(config, good.replace(b[0], b[1]));
      assertThatThrownBy(() -> CausalLm.load(out))
          .as(b[1])
          .isInstanceOf(FileException.class)
          .hasMessageContaining(b[2]);
    }
    // Without the field, or with the other format, the matrices are nobody's.
    for (String other :
        List.of(
            good.replaceFirst(",\\s*\"quantization_config\" : \\{[^}]*\\}", ""),
            good.replace("\"int8\"", "\"int4\"").replace("\"bits\" : 8", "\"bits\" : 4"))) {
      Files.writeString(config, other);
      assertThatThrownBy(() -> CausalLm.load(out))
          .isInstanceOf(FileException.class)
          .hasMessageContaining("missing");
    }
    Files.writeString(config, good);
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    Weights.open(out).tensors().forEach((k, t) -> tensors.put(k, t.detach()));
    String key = "model.layers.0.self_attn.q_proj.weight";
    Tensor matrix = tensors.remove(key + ".int8");
    tensors.put(key + ".int8", matrix.reshape(-1));
    SafeTensors.writeModel(out, tensors, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(out))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(key + ".int8")
        .hasMessageContaining("U8[");
    tensors.put(key, Tensor.zeros(24, 24));
    SafeTensors.writeModel(out, tensors, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(out))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("the same weight");
    tensors.remove(key + ".int8");
    SafeTensors.writeModel(out, tensors, Map.of(), 1 << 20);
    assertThatThrownBy(() -> CausalLm.load(out))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(key + ".int8")
        .hasMessageContaining("quantization_config promises");
  }
}
