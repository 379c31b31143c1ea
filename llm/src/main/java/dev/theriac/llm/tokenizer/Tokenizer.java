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
   * (such as {@code <|endoftext|>}) become their single id.
   */
  int[] encode(String text);

  /**
   * Text of {@code ids}. Bytes that do not form UTF-8 come out as U+FFFD.
   *
   * @param skipSpecial whether special tokens are left out of the text
   * @throws IllegalArgumentException for an id outside the vocabulary; names the id and its place
   */
  String decode(int[] ids, boolean skipSpecial);

  /** Number of ids: one more than the largest id in use, so that it can size an embedding table. */
  int vocabSize();

  /** The vocabulary's own spelling of an id (byte-level vocabularies write a blank as U+0120). */
  String token(int id);

  /** Id of a token by the vocabulary's own spelling; empty if there is none. */
  OptionalInt id(String token);

  /** Whether decoding may skip this id. */
  boolean isSpecial(int id);

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
