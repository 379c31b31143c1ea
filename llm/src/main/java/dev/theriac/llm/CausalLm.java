package dev.theriac.llm;

import dev.theriac.backend.Backends;
import dev.theriac.io.FileException;
import dev.theriac.io.Weights;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Loss;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * A causal language model of a published family: Phi, StableLM, Llama, Mistral or Qwen2. Parameter
 * paths are those of {@link Decoder} under {@code decoder.}; {@link #checkpoint} has the names of
 * files.
 *
 * <pre>{@code
 * CausalLm model = CausalLm.load(directory);
 * Tensor logits = model.forward(ids).logits();
 * String answer = model.generate("The liver", model.generation(), System.out::print);
 * }</pre>
 *
 * <p>It runs on the device where its parameters are ({@link #to}); ids and what else it is given
 * may be anywhere. Forward passes may run on several threads; loading and training belong to one.
 */
public final class CausalLm extends Module {
  private static final String MODEL = "model.";
  private static final String HEAD = "lm_head.";
  // Tables of older files, computed here.
  private static final String FREQUENCIES = ".rotary_emb.inv_freq";

  private final CausalLmConfig config;
  private final Decoder decoder;
  private BesideWeights beside;

  /** A model with fresh weights, to be trained. */
  public CausalLm(CausalLmConfig config, Rng rng) {
    this.config = config;
    beside = BesideWeights.none(config.endIds());
    decoder = part("decoder", new Decoder(config.decoder(), rng));
  }

  public CausalLmConfig config() {
    return config;
  }

  public Decoder decoder() {
    return decoder;
  }

  /**
   * What a pass gives. Where the mask has no token nothing is meant by the values.
   *
   * @param logits F32 [B, T, vocabulary]
   * @param loss mean cross-entropy over the labels that count, rank 0; null without labels
   * @param hiddenStates when asked for: the embedded input, then the output of each block, the last
   *     one after the final norm, each [B, T, dim]; else empty
   */
  public record Forward(Tensor logits, Tensor loss, List<Tensor> hiddenStates) {}

  /** {@link #forward(Tensor, TokenMask, Tensor, Tensor, boolean)} of rows without filling. */
  public Forward forward(Tensor ids) {
    return forward(ids, null, null, null, false);
  }

  /** The same with labels, for training. */
  public Forward forward(Tensor ids, TokenMask mask, Tensor labels) {
    return forward(ids, mask, null, labels, false);
  }

  /**
   * Runs the model.
   *
   * @param ids I64 [B, T]; filling is any id of the vocabulary
   * @param mask which positions hold a token: filling may stand left, right or anywhere; null when
   *     all do
   * @param positions I64 [B, T], of each token in its text; null for t, filling counted, as
   *     transformers does (rotary attention sees differences alone)
   * @param labels I64 [B, T], the ids, or {@link Loss#IGNORE_INDEX} where nothing is to be learned;
   *     position t is predicted from those before it, and not learned after filling, which says
   *     nothing; null for none
   * @param hiddenStates whether to return them
   * @throws IllegalArgumentException naming the shapes when they do not fit
   */
  public Forward forward(
      Tensor ids, TokenMask mask, Tensor positions, Tensor labels, boolean hiddenStates) {
    if (ids.rank() != 2 || ids.size() == 0) {
      throw new IllegalArgumentException(
          "causal lm: ids of shape %s; [B, T] with one token or more is wanted"
              .formatted(ids.layout()));
    }
    check("labels", labels, ids);
    check("positions", positions, ids);
    if (mask != null && (mask.batch() != ids.size(0) || mask.length() != ids.size(1))) {
      throw new IllegalArgumentException(
          "causal lm: %s for ids of shape %s".formatted(mask, ids.layout()));
    }
    RowOrder order = RowOrder.of(mask);
    long[] at = positions == null ? count(ids) : positions.toLongs();
    Decoder.Output out =
        decoder.forward(
            order.apply(decoder.embed(ids, config.padId())),
            Tensor.of(order.apply(at), ids.shape()),
            order.lengthsTensor(),
            null,
            hiddenStates);
    Tensor logits = decoder.logits(order.undo(out.hidden()));
    Tensor loss = labels == null ? null : NextTokenLoss.of(logits, counted(labels, mask));
    List<Tensor> states = out.hiddenStates().stream().map(order::undo).toList();
    return new Forward(logits, loss, states);
  }

  private static void check(String what, Tensor t, Tensor ids) {
    if (t != null && !t.layout().sameShape(ids.layout())) {
      throw new IllegalArgumentException(
          "causal lm: %s of shape %s for ids of shape %s; give one for each id"
              .formatted(what, t.layout(), ids.layout()));
    }
  }

  /** Labels without those that follow filling. */
  private static Tensor counted(Tensor labels, TokenMask mask) {
    if (mask == null || mask.isAll()) return labels;
    long[] out = labels.toLongs();
    for (int i = 1; i < out.length; i++) {
      if (i % mask.length() > 0 && !mask.isValid(i - 1)) out[i] = Loss.IGNORE_INDEX;
    }
    return Tensor.of(out, labels.shape());
  }

  private static long[] count(Tensor ids) {
    long[] out = new long[Math.toIntExact(ids.size())];
    for (int i = 0; i < out.length; i++) out[i] = i % ids.size(1);
    return out;
  }

  /**
   * Continues prompts, which may have different lengths.
   *
   * @param prompts ids of each, one or more
   * @return the new ids of each prompt, without the end token
   */
  public List<int[]> generate(List<int[]> prompts, GenerationConfig settings) {
    return generator(settings).generate(prompts);
  }

  /**
   * Continues prompts of a batch, filled up on the left, on the right or anywhere.
   *
   * @param ids I64 [B, T]
   * @param mask which of them are tokens; null when all are
   */
  public List<int[]> generate(Tensor ids, TokenMask mask, GenerationConfig settings) {
    TokenMask real = mask == null ? TokenMask.all(ids.size(0), ids.size(1)) : mask;
    if (ids.rank() != 2 || real.batch() != ids.size(0) || real.length() != ids.size(1)) {
      throw new IllegalArgumentException(
          "causal lm: %s for ids of shape %s".formatted(real, ids.layout()));
    }
    long[] all = ids.toLongs();
    List<int[]> prompts = new ArrayList<>();
    for (int b = 0; b < real.batch(); b++) {
      int from = b * real.length();
      prompts.add(
          IntStream.range(from, from + real.length())
              .filter(real::isValid)
              .map(i -> Math.toIntExact(all[i]))
              .toArray());
    }
    return generate(prompts, settings);
  }

  /**
   * Continues a text, given out piece by piece while it is written.
   *
   * @param onText receives each piece as soon as it is final
   * @return the whole continuation, without special tokens
   */
  public String generate(String prompt, GenerationConfig settings, Consumer<String> onText) {
    StringBuilder out = new StringBuilder();
    Generator.TextListener listener =
        (row, piece) -> {
          out.append(piece);
          onText.accept(piece);
        };
    generator(settings)
        .onText(tokenizer(), listener)
        .generate(List.of(tokenizer().encode(prompt, true)));
    return out.toString();
  }

  /** A generator of this model, to be given listeners or to be cancelled. */
  public Generator generator(GenerationConfig settings) {
    Generator generator = new Generator(decoder, settings);
    return settings.stopStrings().isEmpty() ? generator : generator.tokenizer(tokenizer());
  }

  /**
   * How the model's files say it should generate; for one that was not read, greedily 20 tokens.
   */
  public GenerationConfig generation() {
    return beside.generation();
  }

  /** Sets what {@link #save} writes to {@code generation_config.json}. */
  public void setGeneration(GenerationConfig settings) {
    beside.setGeneration(settings);
  }

  /**
   * The tokenizer of the model's directory, opened when it is first asked for.
   *
   * @throws dev.theriac.llm.tokenizer.TokenizerException when its files are missing or at fault
   * @throws IllegalStateException for a model that was not read and was given none
   */
  public HuggingFaceTokenizerFile tokenizer() {
    return beside.tokenizer();
  }

  /** Sets the tokenizer, whose files {@link #save} writes. */
  public void setTokenizer(HuggingFaceTokenizerFile newTokenizer) {
    beside.setTokenizer(newTokenizer);
  }

  /** The parameters by the names of checkpoints; nothing is copied. */
  public SequencedMap<String, Tensor> checkpoint() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    decoder.parameters().forEach((path, p) -> out.put(key(path), p.value().detach()));
    return out;
  }

  /**
   * The name that {@link #checkpoint} gives to the parameter that a file has under this name:
   * {@code model.norm.weight} for {@code norm.weight}, as files of the bare decoder have it.
   */
  public static String checkpointKey(String name) {
    return key(path(name));
  }

  private static String key(String path) {
    return path.startsWith(HEAD) ? path : MODEL + path;
  }

  /** What a checkpoint holds, without a model of its size: shapes by the names of tensors. */
  public static SequencedMap<String, long[]> shapes(CausalLmConfig config) {
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    DecoderParameters.of(config.decoder()).forEach((path, shape) -> out.put(key(path), shape));
    return out;
  }

  /**
   * Takes the parameters' values from a checkpoint's tensors, which keep their type. Of a tied head
   * the embedding table is taken.
   *
   * @throws IllegalArgumentException naming what is missing, unknown or of another shape
   */
  public void loadCheckpoint(Map<String, Tensor> checkpoint) {
    SequencedMap<String, Tensor> byPath = new LinkedHashMap<>();
    Map<String, String> names = new HashMap<>();
    checkpoint.forEach((key, t) -> {
      if (isIgnored(config, key)) return;
      String other = names.put(path(key), key);
      if (other != null) {
        throw new IllegalArgumentException("causal lm: " + same(other, key));
      }
      byPath.put(path(key), t);
    });
    decoder.load(byPath);
  }

  private static String path(String key) {
    return key.startsWith(MODEL) ? key.substring(MODEL.length()) : key;
  }

  private static String same(String one, String other) {
    return "tensors \"%s\" and \"%s\" are the same parameter".formatted(one, other);
  }

  private static boolean isIgnored(CausalLmConfig config, String key) {
    boolean tied = config.decoder().tiedHead() && key.equals(HEAD + "weight");
    return tied || key.endsWith(FREQUENCIES);
  }

  /**
   * Reads a model directory, ready to answer: {@code config.json}, {@code generation_config.json}
   * if there is one, and the weights as {@link Weights#open} finds them, which keep the type they
   * are stored in and stay in their files, mapped, until they are trained. Products widen BF16 and
   * F16 as they read them, and multiply by {@link Quantisation quantised} weights as they are; a
   * model that has some is for inference, its parameters are frozen. The tokenizer is opened when
   * it is asked for.
   *
   * @throws FileException naming the file and the field or key that is missing, unknown, of the
   *     wrong type or shape, or not supported
   */
  public static CausalLm load(Path directory) {
    CausalLmConfig config = CausalLmConfig.read(directory.resolve(ModelFiles.CONFIG));
    Backends.prepareFor(directory);
    ModelWeights file = ModelWeights.open(directory);
    SequencedMap<String, String> keys = keys(config, file);
    CausalLm model = new CausalLm(config, Rng.placeholders(0));
    SequencedMap<String, Parameter> parameters = model.decoder.parameters();
    SequencedMap<String, Tensor> weights = new LinkedHashMap<>();
    SequencedMap<String, List<QuantisedMatrix>> quantised = new LinkedHashMap<>();
    try (Scope _ = Scope.open()) {
      keys.forEach((path, key) -> {
        if (!file.isQuantised(key)) weights.put(path, file.get(key));
        else quantised.put(path, List.of(file.matrix(key, parameters.get(path).shape())));
      });
      model.decoder.load(weights, quantised);
    }
    model.train(false);
    model.beside = BesideWeights.read(directory, config.endIds());
    return model;
  }

  /**
   * The key of each parameter, by its path.
   *
   * @throws FileException when the file holds other tensors than the configuration describes
   */
  private static SequencedMap<String, String> keys(CausalLmConfig config, ModelWeights file) {
    SequencedMap<String, String> keys = new LinkedHashMap<>();
    for (String key : file.keys()) {
      if (isIgnored(config, key)) continue;
      String other = keys.put(path(key), key);
      if (other != null) {
        throw new FileException(file.path(), same(other, key));
      }
    }
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    DecoderParameters.in(config.decoder(), file)
        .forEach((path, shape) -> shapes.put(keys.getOrDefault(path, key(path)), shape));
    file.expect(shapes, key -> isIgnored(config, key));
    return keys;
  }

  /**
   * Writes {@code config.json}, {@code generation_config.json}, {@code model.safetensors} (several
   * with an index above 5 GB) and the tokenizer's files, as Hugging Face's tools read them.
   *
   * @throws FileException when a file cannot be written; an earlier model is then intact
   */
  public void save(Path directory) {
    save(directory, ModelFiles.SHARD_BYTES);
  }

  void save(Path directory, long shardBytes) {
    try (Scope _ = Scope.open()) {
      SequencedMap<String, Tensor> weights = checkpoint();
      DType dtype = weights.firstEntry().getValue().dtype();
      SequencedMap<String, byte[]> small = new LinkedHashMap<>();
      small.put(ModelFiles.CONFIG, ModelFiles.utf8(config.json(dtype)));
      small.putAll(beside.files());
      ModelFiles.write(directory, small, weights, Map.of("format", "pt"), shardBytes);
    }
  }
}
