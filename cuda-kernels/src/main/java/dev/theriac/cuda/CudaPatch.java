package dev.theriac.cuda;

import dev.theriac.backend.PatchKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/** Patches are the image's own elements in another order of dimensions: a copy between strides. */
final class CudaPatch implements PatchKernels {
  private final CudaElementwise elementwise;

  CudaPatch(CudaDevice device) {
    elementwise = new CudaElementwise(device);
  }

  @Override
  public void unfold(Strided image, int patch, Strided out) {
    Strided inPatches = inPatches(image, patch);
    elementwise.copy(inPatches, inRun(out, inPatches.layout().shape()));
  }

  @Override
  public void fold(Strided patches, int patch, Strided image) {
    Strided inPatches = inPatches(image, patch);
    elementwise.copy(inRun(patches, inPatches.layout().shape()), inPatches);
  }

  /** A contiguous tensor seen in another shape. */
  private static Strided inRun(Strided x, long[] shape) {
    return x.with(Layout.strided(shape, Layout.contiguous(shape).strides(), x.layout().offset()));
  }

  /** [B, H/patch, W/patch, C, patch, patch] of the image's elements. */
  private static Strided inPatches(Strided image, int patch) {
    long channels = image.size(1);
    long height = image.size(2);
    long width = image.size(3);
    long plane = height * width;
    return image.with(
        Layout.strided(
            new long[] {image.size(0), height / patch, width / patch, channels, patch, patch},
            new long[] {channels * plane, patch * width, patch, plane, width, 1},
            image.layout().offset()));
  }
}
