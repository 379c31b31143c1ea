package dev.theriac.moe.medmoe.data;

/** Whether a question is answered by yes or no ({@link #CLOSED}) or in free words. */
public enum AnswerType {
  OPEN,
  CLOSED
}
