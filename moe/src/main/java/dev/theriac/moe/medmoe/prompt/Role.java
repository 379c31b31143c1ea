package dev.theriac.moe.medmoe.prompt;

/** Who speaks a turn; the names are those written in prompts. */
public enum Role {
  USER,
  ASSISTANT
}
