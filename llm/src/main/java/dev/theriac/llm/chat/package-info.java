/**
 * Conversations as text: {@link dev.theriac.llm.chat.ChatTemplate} renders the Jinja templates that
 * come with models.
 */
package dev.theriac.llm.chat;
