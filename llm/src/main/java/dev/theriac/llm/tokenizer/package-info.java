/**
 * Text to token ids and back.
 *
 * <p>{@link dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile} reads {@code tokenizer.json};
 * {@link dev.theriac.llm.tokenizer.BuiltInTokenizer} is the small vocabulary of the built-in
 * models.
 */
package dev.theriac.llm.tokenizer;
