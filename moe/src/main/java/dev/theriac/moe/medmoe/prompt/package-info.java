/** Conversations as prompt strings, token ids, label masks and batches of plain arrays. */
package dev.theriac.moe.medmoe.prompt;
