package dev.theriac.llm;

import dev.theriac.nn.KvCache;
import dev.theriac.op.Autograd;
import dev.theriac.op.Index;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * Autoregressive generation with a cache, for a batch of prompts that are already embedded (so that
 * pictures may stand among the tokens). Prompts are padded on the right.
 */
public final class Generator {
  /** Receives tokens as they are chosen. */
  @FunctionalInterface
  public interface TokenListener {
    void token(int row, int id);
  }

  /**
   * One pass over the decoder: the prompts, or one new token for each row.
   *
   * @param rows B
   * @param width T
   * @param positions [B * T], where each computed token stands in its row; -1 for padding and for
   *     rows that have ended, whose results nobody reads
   */
  public record Pass(int rows, int width, long[] positions) {}

  /** Sees, and may steer, each pass. */
  public interface PassListener {
    /**
     * Called before a pass.
     *
     * @return what each layer's feed-forward is given beside its input; empty for nothing
     */
    default List<FeedForward.SideInput> before(Pass pass) {
      return List.of();
    }

    /** Called after a pass; the tensors of {@code output} are freed when this returns. */
    default void after(Pass pass, Decoder.Output output) {}
  }

  private static final PassListener UNOBSERVED = new PassListener() {};
  private static final TokenListener SILENT = (row, id) -> {};

  private final Decoder decoder;
  private final GenerationConfig config;
  private TokenListener listener = SILENT;
  private PassListener passes = UNOBSERVED;
  private BooleanSupplier cancelled = () -> false;

  public Generator(Decoder decoder, GenerationConfig config) {
    this.decoder = decoder;
    this.config = config;
  }

  /** Streams tokens to {@code newListener}; end tokens are not sent. */
  public Generator onToken(TokenListener newListener) {
    listener = newListener;
    return this;
  }

  /** Shows each pass to {@code newPasses}. */
  public Generator onPass(PassListener newPasses) {
    passes = newPasses;
    return this;
  }

  /** Stops, returning what there is, once {@code newCancelled} says so. */
  public Generator cancelWhen(BooleanSupplier newCancelled) {
    cancelled = newCancelled;
    return this;
  }

  /**
   * Continues prompts of tokens until an end token or the limit.
   *
   * @param prompts ids of each, one or more; lengths may differ
   * @return new token ids of each prompt, without the end token
   */
  public List<int[]> generate(List<int[]> prompts) {
    int width = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
    long[] ids = new long[Math.multiplyExact(prompts.size(), width)];
    long[] lengths = new long[prompts.size()];
    for (int b = 0; b < lengths.length; b++) {
      int[] prompt = prompts.get(b);
      lengths[b] = prompt.length;
      for (int t = 0; t < prompt.length; t++) ids[b * width + t] = prompt[t];
    }
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        return generate(decoder.embed(Tensor.of(ids, lengths.length, width)), lengths);
      }
    });
  }

  /**
   * Continues each prompt until an end token or the limit.
   *
   * @param prompts embedded, [B, T, dim]
   * @param lengths positions of each prompt that are not padding, 1 to T
   * @return new token ids of each row, without the end token
   */
  public List<int[]> generate(Tensor prompts, long[] lengths) {
    int rows = Math.toIntExact(prompts.size(0));
    if (lengths.length != rows) {
      throw new IllegalArgumentException(
          "generate: %d lengths for a batch of shape %s"
              .formatted(lengths.length, prompts.layout()));
    }
    for (long l : lengths) {
      if (l < 1 || l > prompts.size(1)) {
        throw new IllegalArgumentException(
            "generate: prompt of %d positions in a batch of shape %s"
                .formatted(l, prompts.layout()));
      }
    }
    long capacity = prompts.size(1) + config.maxNewTokens();
    if (capacity > decoder.config().reach()) {
      throw new IllegalArgumentException(
          "generate: %d prompt positions and %d new tokens exceed the model's %d; shorten either"
              .formatted(prompts.size(1), config.maxNewTokens(), decoder.config().reach()));
    }
    return Autograd.noGrad(() -> {
      try (KvCache cache = decoder.cache(rows, capacity)) {
        return run(cache, prompts, lengths);
      }
    });
  }

  private List<int[]> run(KvCache cache, Tensor prompts, long[] lengths) {
    int rows = lengths.length;
    List<List<Integer>> out = new ArrayList<>();
    TokenChooser[] choosers = new TokenChooser[rows];
    for (int row = 0; row < rows; row++) {
      out.add(new ArrayList<>());
      choosers[row] = new TokenChooser(config, row, decoder.config().vocabulary());
    }
    boolean[] done = new boolean[rows];
    float[] logits = prefill(cache, prompts, lengths);
    for (int step = 0; ; step++) {
      long[] next = choose(choosers, logits, done, out, step);
      if (step + 1 >= config.maxNewTokens() || all(done) || cancelled.getAsBoolean()) break;
      logits = decode(cache, next, done);
    }
    return out.stream().map(l -> l.stream().mapToInt(Integer::intValue).toArray()).toList();
  }

  private long[] choose(
      TokenChooser[] choosers, float[] logits, boolean[] done, List<List<Integer>> out, int step) {
    int vocabulary = decoder.config().vocabulary();
    long[] next = new long[done.length];
    for (int row = 0; row < done.length; row++) {
      if (done[row]) continue;
      float[] mine = Arrays.copyOfRange(logits, row * vocabulary, (row + 1) * vocabulary);
      int token = choosers[row].next(mine, step);
      if (config.endIds().contains(token)) {
        done[row] = true;
      } else {
        out.get(row).add(token);
        listener.token(row, token);
        next[row] = token;
      }
    }
    return next;
  }

  private static boolean all(boolean[] done) {
    for (boolean d : done) if (!d) return false;
    return true;
  }

  private float[] prefill(KvCache cache, Tensor prompts, long[] lengths) {
    try (Scope _ = Scope.open()) {
      long rows = prompts.size(0);
      long width = prompts.size(1);
      long[] positions = new long[Math.toIntExact(rows * width)];
      for (int i = 0; i < positions.length; i++) positions[i] = i % width;
      long[] real = positions.clone();
      for (int i = 0; i < real.length; i++) if (real[i] >= lengths[(int) (i / width)]) real[i] = -1;
      Tensor hidden =
          pass(
              new Pass(lengths.length, Math.toIntExact(width), real),
              prompts,
              Tensor.of(positions, rows, width),
              Tensor.of(lengths),
              cache);
      cache.advance(lengths);
      long[] last = new long[lengths.length];
      for (int b = 0; b < last.length; b++) last[b] = b * width + lengths[b] - 1;
      Tensor rowsOfInterest = Index.gatherRows(hidden.reshape(rows * width, -1), Tensor.of(last));
      return decoder.logits(rowsOfInterest).toFloats();
    }
  }

  private Tensor pass(Pass pass, Tensor x, Tensor positions, Tensor lengths, KvCache cache) {
    Decoder.Output out = decoder.forward(x, positions, lengths, cache, false, passes.before(pass));
    passes.after(pass, out);
    return out.hidden();
  }

  private float[] decode(KvCache cache, long[] tokens, boolean[] done) {
    try (Scope _ = Scope.open()) {
      long rows = tokens.length;
      long[] positions = cache.lengths();
      long[] seen = positions.clone();
      long[] ones = new long[tokens.length];
      long[] real = positions.clone();
      for (int b = 0; b < tokens.length; b++) {
        seen[b]++;
        ones[b] = 1;
        if (done[b]) real[b] = -1;
      }
      Tensor x = decoder.embed(Tensor.of(tokens, rows, 1));
      Tensor hidden =
          pass(
              new Pass(tokens.length, 1, real),
              x,
              Tensor.of(positions, rows, 1),
              Tensor.of(seen),
              cache);
      cache.advance(ones);
      return decoder.logits(hidden.reshape(rows, -1)).toFloats();
    }
  }
}
