package dev.theriac.backend.scalar;

import dev.theriac.backend.PatchKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.MemorySegment;

/** Both directions move rows of {@code patch} pixels between the same two places. */
final class ScalarPatch implements PatchKernels {
  private static final long GRAIN = 1 << 14;

  @Override
  public void unfold(Strided image, int patch, Strided out) {
    move(image, patch, out, true);
  }

  @Override
  public void fold(Strided patches, int patch, Strided image) {
    move(image, patch, patches, false);
  }

  private static void move(Strided image, int patch, Strided patches, boolean toPatches) {
    long channels = image.size(1);
    long height = image.size(2);
    long width = image.size(3);
    long columns = width / patch;
    long bytes = 4L * patch;
    long pi = image.address();
    long pp = patches.address();
    Workers.parallelRange(
        image.size(0) * channels * height,
        Math.max(1, GRAIN / Math.max(1, width)),
        (from, to) -> {
          for (long line = from; line < to; line++) {
            long b = line / height / channels;
            long c = line / height % channels;
            long y = line % height;
            for (long column = 0; column < columns; column++) {
              long index = (b * (height / patch) + y / patch) * columns + column;
              long inPatch = (index * channels + c) * patch + y % patch;
              long inImage = line * columns + column;
              long source = toPatches ? pi + inImage * bytes : pp + inPatch * bytes;
              long target = toPatches ? pp + inPatch * bytes : pi + inImage * bytes;
              MemorySegment.copy(Host.ALL, source, Host.ALL, target, bytes);
            }
          }
        });
  }
}
