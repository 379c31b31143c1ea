package dev.theriac.moe.medmoe.data;

import dev.theriac.io.Npz;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Image;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * PneumoniaMNIST (Yang et al., MedMNIST v2): small grey chest X-rays, labelled normal or pneumonia.
 * Captions and questions are made from the labels.
 *
 * <p>Which wording an image gets depends on its number alone. Immutable.
 */
public final class PneumoniaMnist {
  /** The question of the evaluation; its answer is yes or no. */
  public static final String QUESTION = "Is there pneumonia in this chest X-ray?";

  private static final byte PNEUMONIA = 1;

  private static final List<String> PNEUMONIA_CAPTIONS =
      List.of("A chest X-ray with signs of pneumonia.", "The chest X-ray shows pneumonia.");
  private static final List<String> NORMAL_CAPTIONS =
      List.of("A normal chest X-ray.", "The chest X-ray shows no pneumonia.");

  private final List<Image> images;
  private final byte[] labels;

  /**
   * Takes one split as its file holds it.
   *
   * @param pixels {@code n * height * width} unsigned bytes, image by image, row by row
   * @param labels {@code n} times 0 (normal) or 1 (pneumonia)
   * @throws DataException if a length does not fit, or a label is neither 0 nor 1 (names the image)
   */
  public PneumoniaMnist(byte[] pixels, int n, int height, int width, byte[] labels) {
    if (pixels.length != (long) n * height * width || labels.length != n) {
      throw new DataException(
          "PneumoniaMNIST: %d images of %d x %d need %d pixels and %d labels, got %d and %d"
              .formatted(
                  n, height, width, (long) n * height * width, n, pixels.length, labels.length));
    }
    List<Image> images = new ArrayList<>(n);
    int area = height * width;
    for (int i = 0; i < n; i++) {
      if (labels[i] != 0 && labels[i] != PNEUMONIA) {
        throw new DataException(
            "PneumoniaMNIST: label of image %d is %d, expected 0 (normal) or 1 (pneumonia)"
                .formatted(i, labels[i] & 0xFF));
      }
      images.add(Image.of8(width, height, 1, Arrays.copyOfRange(pixels, i * area, (i + 1) * area)));
    }
    this.images = List.copyOf(images);
    this.labels = labels.clone();
  }

  /** The parts of the published file. */
  public enum Split {
    TRAIN,
    VAL,
    TEST
  }

  /**
   * Reads one split of {@code pneumoniamnist.npz}: the arrays {@code train_images} [n, height,
   * width] and {@code train_labels} [n, 1] of bytes, or those of {@code val} or {@code test}.
   *
   * @throws DataException if an array has another shape or type; names file, array and both
   * @throws dev.theriac.io.FileException if the file or an array is missing or damaged
   */
  public static PneumoniaMnist read(Path file, Split split) {
    String name = split.name().toLowerCase(Locale.ROOT);
    try (Npz npz = Npz.open(file);
        Scope _ = Scope.open()) {
      Tensor images = npz.get(name + "_images");
      Tensor labels = npz.get(name + "_labels");
      require(file, name + "_images", images, images.rank() == 3, "[n, height, width]");
      long n = images.size(0);
      boolean fits = labels.rank() == 2 && labels.size(0) == n && labels.size(1) == 1;
      require(file, name + "_labels", labels, fits, "[" + n + ", 1]");
      int height = Math.toIntExact(images.size(1));
      int width = Math.toIntExact(images.size(2));
      return new PneumoniaMnist(bytes(images), Math.toIntExact(n), height, width, bytes(labels));
    }
  }

  private static void require(Path file, String name, Tensor array, boolean fits, String expected) {
    if (!fits || array.dtype() != DType.U8) {
      throw new DataException(
          "%s: array \"%s\" is %s %s, expected U8 %s"
              .formatted(file, name, array.dtype(), Arrays.toString(array.shape()), expected));
    }
  }

  private static byte[] bytes(Tensor array) {
    long[] values = array.toLongs();
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  /** Number of images. */
  public int size() {
    return labels.length;
  }

  /** Whether an image shows pneumonia. */
  public boolean pneumonia(int index) {
    return labels[index] == PNEUMONIA;
  }

  /** An image, grey, 8 bit. */
  public Image image(int index) {
    return images.get(index);
  }

  /** One sample per image: picture and caption. For {@code ALIGN}. */
  public Dataset captions() {
    return captions(Integer.MAX_VALUE);
  }

  /** The same with a single wording for each label, so that all that varies is the label. */
  public Dataset shortCaptions() {
    return captions(1);
  }

  private Dataset captions(int wordings) {
    List<Sample> samples = new ArrayList<>();
    for (int i = 0; i < size(); i++) {
      List<String> captions = pneumonia(i) ? PNEUMONIA_CAPTIONS : NORMAL_CAPTIONS;
      String caption = captions.get(i % Math.min(wordings, captions.size()));
      samples.add(sample(i, "caption", Conversation.of(ImageTokens.MARK, caption), null));
    }
    return Dataset.of(samples);
  }

  /**
   * Two samples per image: the evaluation's question, and by turns another closed one or an open
   * one. For {@code INSTRUCT} and {@code MOE}.
   */
  public Dataset questions() {
    List<Sample> samples = new ArrayList<>();
    for (int i = 0; i < size(); i++) {
      boolean sick = pneumonia(i);
      samples.add(closed(i, "is", QUESTION, sick));
      samples.add(
          switch (i % 4) {
            case 0 -> open(i, "what", "What does the X-ray show?", sick);
            case 1 -> closed(i, "normal", "Is this chest X-ray normal?", !sick);
            case 2 -> open(i, "finding", "What does the chest X-ray show?", sick);
            default -> closed(i, "does", "Does this chest X-ray show pneumonia?", sick);
          });
    }
    return Dataset.of(samples);
  }

  /** One sample per image, in their order: {@link #QUESTION}. For the evaluation. */
  public Dataset evaluation() {
    List<Sample> samples = new ArrayList<>();
    for (int i = 0; i < size(); i++) {
      samples.add(closed(i, "is", QUESTION, pneumonia(i)));
    }
    return Dataset.of(samples);
  }

  private Sample closed(int index, String key, String question, boolean yes) {
    Conversation text = Conversation.aboutImage(question, yes ? "yes" : "no");
    return sample(index, key, text, AnswerType.CLOSED);
  }

  private Sample open(int index, String key, String question, boolean sick) {
    Conversation text = Conversation.aboutImage(question, sick ? "pneumonia" : "normal");
    return sample(index, key, text, AnswerType.OPEN);
  }

  private Sample sample(int index, String key, Conversation text, AnswerType type) {
    ImageSource image = new ImageSource.InMemory(images.get(index));
    return new Sample("pneumoniamnist-" + index + "-" + key, image, Modality.X_RAY, text, type);
  }
}
