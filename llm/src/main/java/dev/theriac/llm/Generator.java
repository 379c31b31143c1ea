package dev.theriac.llm;

import dev.theriac.llm.tokenizer.Tokenizer;
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
 * pictures may stand among the tokens). Prompts are padded on the right. As in transformers, a
 * limit that is asked for holds beyond the positions that the model was trained for too: the first
 * token behind them is logged as a warning.
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

  /** Receives text as soon as it is final. */
  @FunctionalInterface
  public interface TextListener {
    void text(int row, String piece);
  }

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

    /**
     * Called after a pass, but for one that was cancelled; the tensors of {@code output} are freed
     * when this returns.
     */
    default void after(Pass pass, Decoder.Output output) {}
  }

  private static final System.Logger LOG = System.getLogger("dev.theriac.llm");
  private static final PassListener UNOBSERVED = new PassListener() {};
  private static final TokenListener SILENT = (row, id) -> {};

  private final Decoder decoder;
  private final GenerationConfig config;
  private TokenListener listener = SILENT;
  private PassListener passes = UNOBSERVED;
  private BooleanSupplier cancelled = () -> false;
  private Tokenizer tokenizer;
  private TextListener texts = (row, piece) -> {};

  public Generator(Decoder decoder, GenerationConfig config) {
    this.decoder = decoder;
    this.config = config;
  }

  /** Streams tokens to {@code newListener}; end tokens are not sent. */
  public Generator onToken(TokenListener newListener) {
    listener = newListener;
    return this;
  }

  /** Of which texts are made; needed for stop strings. */
  public Generator tokenizer(Tokenizer newTokenizer) {
    tokenizer = newTokenizer;
    return this;
  }

  /**
   * Streams text to {@code newTexts}, in pieces whose characters are whole; what a stop string's
   * last token says is among them.
   */
  public Generator onText(Tokenizer newTokenizer, TextListener newTexts) {
    texts = newTexts;
    return tokenizer(newTokenizer);
  }

  /** Shows each pass to {@code newPasses}. */
  public Generator onPass(PassListener newPasses) {
    passes = newPasses;
    return this;
  }

  /**
   * Stops, returning what there is, once {@code newCancelled} says so. It is asked before each
   * block of each pass, that over the prompts too, and after each token; by the thread that
   * generates.
   */
  public Generator cancelWhen(BooleanSupplier newCancelled) {
    cancelled = newCancelled;
    return this;
  }

  /**
   * Continues prompts of tokens until an end token, a stop string or the limit.
   *
   * @param prompts ids of each, one or more; lengths may differ
   * @return new token ids of each prompt, without the end token
   * @throws IllegalArgumentException naming what does not fit: an empty prompt, an id that the
   *     vocabulary has not, a prompt as long as the limit, stop strings without a tokenizer
   */
  public List<int[]> generate(List<int[]> prompts) {
    int width = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
    long[] ids = new long[Math.multiplyExact(prompts.size(), width)];
    long[] lengths = new long[prompts.size()];
    for (int b = 0; b < lengths.length; b++) {
      int[] prompt = prompts.get(b);
      lengths[b] = prompt.length;
      if (prompt.length == 0) {
        throw new IllegalArgumentException("generate: prompt %d is empty".formatted(b));
      }
      for (int t = 0; t < prompt.length; t++) {
        if (prompt[t] < 0 || prompt[t] >= decoder.config().vocabulary()) {
          throw new IllegalArgumentException(
              "generate: id %d at place %d of prompt %d; the vocabulary has %d"
                  .formatted(prompt[t], t, b, decoder.config().vocabulary()));
        }
        ids[b * width + t] = prompt[t];
      }
    }
    if (prompts.isEmpty()) return List.of();
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        Tensor x = decoder.embed(Tensor.of(ids, lengths.length, width));
        return generate(x, lengths, prompts);
      }
    });
  }

  /**
   * Continues each prompt until an end token, a stop string or the limit. The repetition penalty
   * counts new tokens alone.
   *
   * @param prompts embedded, [B, T, dim]
   * @param lengths positions of each prompt that are not padding, 1 to T
   * @return new token ids of each row, without the end token
   */
  public List<int[]> generate(Tensor prompts, long[] lengths) {
    return generate(prompts, lengths, null);
  }

  private List<int[]> generate(Tensor prompts, long[] lengths, List<int[]> ids) {
    if (lengths.length != prompts.size(0)) {
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
    long capacity = prompts.size(1);
    for (long l : lengths) {
      int limit = config.limit(Math.toIntExact(l));
      if (limit < 1) {
        throw new IllegalArgumentException(
            "generate: prompt of %d positions, and at most %d with its continuation (maxLength)"
                .formatted(l, config.maxLength()));
      }
      capacity = Math.max(capacity, l + limit);
    }
    if (!config.stopStrings().isEmpty() && tokenizer == null) {
      throw new IllegalArgumentException(
          "generate: stop strings %s, and no tokenizer to read texts with"
              .formatted(config.stopStrings()));
    }
    // Most limits beyond the model's positions are never reached: there the cache grows.
    long room = Math.max(prompts.size(1), Math.min(capacity, decoder.config().reach()));
    return Autograd.noGrad(() -> {
      try (KvCache cache = decoder.cache(lengths.length, room)) {
        return run(cache, prompts, lengths, ids);
      }
    });
  }

  /** A row of the batch while it grows. */
  private final class Row {
    final int index;
    final int limit;
    final TokenChooser chooser;
    final RowText text;
    final List<Integer> out = new ArrayList<>();
    boolean done;

    Row(int index, int length, int[] prompt) {
      this.index = index;
      limit = config.limit(length);
      chooser = new TokenChooser(config, index, decoder.config().vocabulary(), length, prompt);
      text = tokenizer == null ? null : new RowText(tokenizer, config.stopStrings(), prompt);
    }

    /** The next token; 0 when it ends the row. */
    long next(float[] logits) {
      int token = chooser.next(logits, out.size());
      if (config.endIds().contains(token)) {
        end();
        return 0;
      }
      out.add(token);
      listener.token(index, token);
      String piece = text == null ? "" : text.add(token);
      if (!piece.isEmpty()) texts.text(index, piece);
      if (out.size() >= limit || text != null && text.stopped()) end();
      return token;
    }

    /** Gives out the text that was held back. */
    void end() {
      if (done) return;
      done = true;
      String rest = text == null ? "" : text.finish();
      if (!rest.isEmpty()) texts.text(index, rest);
    }
  }

  private List<int[]> run(KvCache cache, Tensor prompts, long[] lengths, List<int[]> ids) {
    List<Row> rows = new ArrayList<>();
    for (int row = 0; row < lengths.length; row++) {
      int[] prompt = ids == null ? new int[0] : ids.get(row);
      rows.add(new Row(row, Math.toIntExact(lengths[row]), prompt));
    }
    decoder.announceSteps(lengths.length);
    boolean warned = false;
    try {
      float[] logits = prefill(cache, prompts, lengths);
      while (true) {
        long[] next = choose(rows, logits);
        if (rows.stream().allMatch(r -> r.done) || cancelled.getAsBoolean()) break;
        boolean[] done = new boolean[lengths.length];
        for (Row r : rows) done[r.index] = r.done;
        if (!warned && cache.length() >= decoder.config().reach()) {
          warned = true;
          LOG.log(
              System.Logger.Level.WARNING,
              "generation goes on beyond the model's %d positions, for which it was not trained"
                  .formatted(decoder.config().reach()));
        }
        cache.reserve(cache.length() + 1);
        logits = decode(cache, next, done);
      }
    } catch (Decoder.Cancelled e) {
      // The tokens that were chosen before are the result.
    }
    rows.forEach(Row::end);
    return rows.stream().map(r -> r.out.stream().mapToInt(Integer::intValue).toArray()).toList();
  }

  private long[] choose(List<Row> rows, float[] logits) {
    int vocabulary = decoder.config().vocabulary();
    long[] next = new long[rows.size()];
    for (Row r : rows) {
      if (r.done) continue;
      int from = r.index * vocabulary;
      next[r.index] = r.next(Arrays.copyOfRange(logits, from, from + vocabulary));
    }
    return next;
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
      Tensor rowsOfInterest =
          Index.gatherRows(hidden.reshape(rows * width, -1), Tensor.of(hidden.device(), last));
      return decoder.logits(rowsOfInterest).toFloats();
    }
  }

  private Tensor pass(Pass pass, Tensor x, Tensor positions, Tensor lengths, KvCache cache) {
    Decoder.Output out =
        decoder.forward(x, positions, lengths, cache, false, passes.before(pass), cancelled);
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
        // A row that has ended writes to one place again and again.
        ones[b] = done[b] ? 0 : 1;
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
