/** Tokenizers, decoder families, the KV cache, generation. */
package dev.theriac.llm;
