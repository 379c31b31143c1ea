package dev.theriac.moe.medmoe.data;

/** The side of the picture (not of the patient) on which a finding lies. */
public enum Side {
  LEFT("left"),
  RIGHT("right"),
  /** The finding, if any, has no side. */
  NONE("no side");

  private final String word;

  Side(String word) {
    this.word = word;
  }

  /** The side as it stands in captions and answers. */
  public String word() {
    return word;
  }
}
