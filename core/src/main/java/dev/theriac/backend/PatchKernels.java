package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/** Cutting images into square patches that do not overlap. F32, contiguous. */
public interface PatchKernels {
  /**
   * @param image [B, C, H, W], H and W multiples of {@code patch}
   * @param out [B, (H/patch) * (W/patch), C * patch * patch], patches row by row, channel first
   *     inside
   */
  void unfold(Strided image, int patch, Strided out);

  /** The inverse of {@link #unfold}, which is also its gradient. */
  void fold(Strided patches, int patch, Strided image);
}
