package dev.theriac.llm.tokenizer;

import java.util.OptionalInt;

/**
 * Turns text into token ids and back.
 *
 * <p>Implementations are safe for concurrent use by several threads.
 */
public interface Tokenizer {

  /**
   * Ids of {@code text}, with nothing added at either end. Special tokens written out in the text
   * (such as {@code <|endoftext|>}) become their single id. Half of a surrogate pair, which no
   * UTF-8 can hold, counts as U+FFFD.
   */
  int[] encode(String text);

  /**
   * The same, with what the model's files put around a text (as a rule a token that begins it) if
   * {@code addSpecial}.
   */
  default int[] encode(String text, boolean addSpecial) {
    return encode(text);
  }

  /**
   * Text of {@code ids}. Bytes that do not form UTF-8 come out as U+FFFD. Ids for which the
   * vocabulary has no token, such as those of the rows by which embedding tables are rounded up,
   * have no text, as in transformers.
   *
   * @param skipSpecial whether special tokens are left out of the text
   * @throws IllegalArgumentException for an id below 0; names the id and its place
   */
  String decode(int[] ids, boolean skipSpecial);

  /** Number of ids: one more than the largest id in use, so that it can size an embedding table. */
  int vocabSize();

  /** Whether the vocabulary has a token of this id. */
  default boolean has(int id) {
    return id >= 0 && id < vocabSize();
  }

  /**
   * Whether the token is one byte that decoding joins with bytes before and after: if a run of them
   * is no UTF-8, each becomes a U+FFFD, so none is final before the run ends.
   */
  default boolean isByte(int id) {
    return false;
  }

  /** The vocabulary's own spelling of an id (byte-level vocabularies write a blank as U+0120). */
  String token(int id);

  /** Id of a token by the vocabulary's own spelling; empty if there is none. */
  OptionalInt id(String token);

  /** Whether decoding may skip this id. */
  boolean isSpecial(int id);

  /** Id that begins a text, if the model has one. */
  default OptionalInt bosId() {
    return OptionalInt.empty();
  }

  /** Id that ends a text. */
  int eosId();

  /**
   * Id that fills short rows of a batch; equal to {@link #eosId()} where the vocabulary has none.
   */
  int padId();

  /** A decoder for ids that arrive one at a time. */
  default StreamingDecoder streaming() {
    return new StreamingDecoder(this);
  }
}
