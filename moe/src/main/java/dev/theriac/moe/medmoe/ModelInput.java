package dev.theriac.moe.medmoe;

import dev.theriac.moe.medmoe.prompt.Batch;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/**
 * A batch as tensors.
 *
 * @param textIds I64 [N], ids of the text positions
 * @param images F32 [M, 3, S, S], normalised pictures; null when there are none
 * @param order I64 [B * L]: for each position the row of (text, picture patches, one zero row)
 * @param positions I64 [B, L]
 * @param lengths I64 [B]
 * @param targets I64 [K], the ids to be predicted
 * @param targetPositions I64 [K], flat positions whose logits predict them
 * @param batch rows
 * @param length positions of the longest row
 */
record ModelInput(
    Tensor textIds,
    Tensor images,
    Tensor order,
    Tensor positions,
    Tensor lengths,
    Tensor targets,
    Tensor targetPositions,
    int batch,
    int length) {

  /**
   * @param pixels the pictures in the order of {@link Batch#imageOwners}, [3, S, S] each,
   *     normalised
   * @param device where the tensors are made
   */
  static ModelInput of(Batch batch, float[][] pixels, int imageSize, Device device) {
    int[] owners = batch.imageOwners();
    if (owners.length != pixels.length) {
      throw new IllegalArgumentException(
          "batch with %d picture marks and %d pictures".formatted(owners.length, pixels.length));
    }
    int[] text = batch.textPositions();
    int[] image = batch.imagePositions();
    int size = batch.size() * batch.length();
    long[] order = new long[size];
    Arrays.fill(order, (long) text.length + image.length);
    for (int i = 0; i < text.length; i++) order[text[i]] = i;
    for (int i = 0; i < image.length; i++) order[image[i]] = (long) text.length + i;
    long[] ids = new long[text.length];
    for (int i = 0; i < ids.length; i++) ids[i] = batch.ids()[text[i]];
    long[] positions = new long[size];
    for (int i = 0; i < size; i++) positions[i] = i % batch.length();
    int[] next = batch.nextLabels();
    int learned = (int) Arrays.stream(next).filter(id -> id >= 0).count();
    long[] targets = new long[learned];
    long[] at = new long[learned];
    int k = 0;
    for (int i = 0; i < size; i++) {
      if (next[i] < 0) continue;
      targets[k] = next[i];
      at[k++] = i;
    }
    return new ModelInput(
        Tensor.of(device, ids, ids.length),
        images(device, pixels, imageSize),
        Tensor.of(device, order, size),
        Tensor.of(device, positions, batch.size(), batch.length()),
        Tensor.of(device, Arrays.stream(batch.lengths()).asLongStream().toArray(), batch.size()),
        Tensor.of(device, targets, learned),
        Tensor.of(device, at, learned),
        batch.size(),
        batch.length());
  }

  private static Tensor images(Device device, float[][] pixels, int size) {
    if (pixels.length == 0) return null;
    float[] all = new float[pixels.length * 3 * size * size];
    for (int i = 0; i < pixels.length; i++) {
      if (pixels[i].length != 3 * size * size) {
        throw new IllegalArgumentException(
            "picture %d has %d values, 3 x %d x %d are wanted"
                .formatted(i, pixels[i].length, size, size));
      }
      System.arraycopy(pixels[i], 0, all, i * pixels[i].length, pixels[i].length);
    }
    return Tensor.of(device, all, pixels.length, 3, size, size);
  }
}
