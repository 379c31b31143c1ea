package dev.theriac.moe.medmoe.data;

/** What is drawn into a phantom. Every modality has two findings of its own, or {@link #NONE}. */
public enum Finding {
  /** Nothing out of the ordinary; belongs to every modality. */
  NONE(null, "no finding", "no finding", null),
  /** X-ray: a bright round spot in one lung. */
  NODULE(Modality.X_RAY, "nodule", "a nodule", "lung"),
  /** X-ray: fluid that fills the base of one lung up to a level. */
  EFFUSION(Modality.X_RAY, "effusion", "an effusion", "base"),
  /** CT: a bright ring around a dark centre on one side of the body. */
  RING_LESION(Modality.CT, "ring lesion", "a ring lesion", "flank"),
  /** CT: a small, very bright spot in one kidney. */
  STONE(Modality.CT, "stone", "a stone", "kidney"),
  /** MRI: a bright blurred patch in one half of the brain. */
  BRIGHT_LESION(Modality.MRI, "bright lesion", "a bright lesion", "hemisphere"),
  /** MRI: ventricles about twice as wide as usual; has no side. */
  LARGE_VENTRICLES(Modality.MRI, "large ventricles", "large ventricles", null),
  /** Pathology: one to three dark dividing nuclei; has no side. */
  MITOSIS(Modality.PATHOLOGY, "mitosis", "mitosis", null),
  /** Pathology: a ring of nuclei around a white lumen in one half of the field. */
  GLAND(Modality.PATHOLOGY, "gland", "a gland", "half");

  private final Modality modality;
  private final String word;
  private final String phrase;
  private final String place;

  Finding(Modality modality, String word, String phrase, String place) {
    this.modality = modality;
    this.word = word;
    this.phrase = phrase;
    this.place = place;
  }

  /** The answer to "What is the finding?". */
  public String word() {
    return word;
  }

  /** The finding with its article, as in "a nodule". */
  public String phrase() {
    return phrase;
  }

  /** Whether the finding lies on the left or on the right. */
  public boolean sided() {
    return place != null;
  }

  /**
   * Where the finding lies, as in "left lung".
   *
   * @throws IllegalArgumentException if the finding has no side
   */
  public String location(Side side) {
    if (!sided() || side == Side.NONE) {
      throw new IllegalArgumentException("%s has no location on side %s".formatted(this, side));
    }
    return side.word() + " " + place;
  }

  /** Whether the finding can appear in pictures of this modality. */
  public boolean appearsIn(Modality candidate) {
    return modality == null || modality == candidate;
  }
}
