package dev.theriac.moe.medmoe.data;

/** The imaging modalities told apart by the router, in the order of their class ids. */
public enum Modality {
  /** Computed tomography: a slice through the body. */
  CT("CT"),
  /** Magnetic resonance imaging. */
  MRI("MRI"),
  /** Plain radiography: a projection through the body. */
  X_RAY("X-ray"),
  /** Stained tissue under a microscope. */
  PATHOLOGY("pathology");

  private final String word;

  Modality(String word) {
    this.word = word;
  }

  /** The name as it stands in captions, answers and data files. */
  public String word() {
    return word;
  }
}
