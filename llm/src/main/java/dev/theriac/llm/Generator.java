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

  private static final TokenListener SILENT = (row, id) -> {};

  private final Decoder decoder;
  private final GenerationConfig config;
  private TokenListener listener = SILENT;
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

  /** Stops, returning what there is, once {@code newCancelled} says so. */
  public Generator cancelWhen(BooleanSupplier newCancelled) {
    cancelled = newCancelled;
    return this;
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
    if (capacity > decoder.config().maxPositions()) {
      throw new IllegalArgumentException(
          "generate: %d prompt positions and %d new tokens exceed the model's %d; shorten either"
              .formatted(prompts.size(1), config.maxNewTokens(), decoder.config().maxPositions()));
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
      logits = decode(cache, next);
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
      Tensor hidden =
          decoder
              .forward(prompts, Tensor.of(positions, rows, width), Tensor.of(lengths), cache, false)
              .hidden();
      cache.advance(lengths);
      long[] last = new long[lengths.length];
      for (int b = 0; b < last.length; b++) last[b] = b * width + lengths[b] - 1;
      Tensor rowsOfInterest = Index.gatherRows(hidden.reshape(rows * width, -1), Tensor.of(last));
      return decoder.logits(rowsOfInterest).toFloats();
    }
  }

  private float[] decode(KvCache cache, long[] tokens) {
    try (Scope _ = Scope.open()) {
      long rows = tokens.length;
      long[] positions = cache.lengths();
      long[] seen = positions.clone();
      long[] ones = new long[tokens.length];
      for (int b = 0; b < tokens.length; b++) {
        seen[b]++;
        ones[b] = 1;
      }
      Tensor x = decoder.embed(Tensor.of(tokens, rows, 1));
      Tensor hidden =
          decoder.forward(x, Tensor.of(positions, rows, 1), Tensor.of(seen), cache, false).hidden();
      cache.advance(ones);
      return decoder.logits(hidden.reshape(rows, -1)).toFloats();
    }
  }
}
