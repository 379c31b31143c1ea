/** Makes quantised models out of others, and measures what they lose. */
package dev.theriac.llm.quantised;
