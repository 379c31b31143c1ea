package dev.theriac.backend.vector;

import dev.theriac.backend.PatchKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Strided;

/** Patches are runs of {@code patch} floats: the work is finding where they go. */
final class VectorPatch implements PatchKernels {
  private static final long GRAIN = Grain.of(Grain.MOVE);

  @Override
  public void unfold(Strided image, int patch, Strided out) {
    move(image, patch, out.address(), true);
  }

  @Override
  public void fold(Strided patches, int patch, Strided image) {
    move(image, patch, patches.address(), false);
  }

  private static void move(Strided image, int patch, long patches, boolean unfold) {
    long channels = image.size(1);
    long height = image.size(2);
    long width = image.size(3);
    long down = height / patch;
    long across = width / patch;
    long pixels = image.address();
    // A task owns rows of patches, which are rows of pixels in every channel.
    Workers.parallelRange(
        image.size(0) * down,
        Math.max(1, GRAIN / Math.max(1, channels * patch * width)),
        (from, to) -> {
          for (long row = from; row < to; row++) {
            for (long column = 0; column < across; column++) {
              long piece = patches + 4 * (row * across + column) * channels * patch * patch;
              for (long c = 0; c < channels; c++) {
                long line = (row / down * channels + c) * height + row % down * patch;
                long pixel = pixels + 4 * (line * width + column * patch);
                for (int i = 0; i < patch; i++) {
                  if (unfold) Moves.copy(pixel, piece, 4L * patch);
                  else Moves.copy(piece, pixel, 4L * patch);
                  pixel += 4 * width;
                  piece += 4L * patch;
                }
              }
            }
          }
        });
  }
}
