package dev.theriac.op;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;

/** Patch embedding: a convolution whose stride is its kernel size, as unfold and linear. */
public final class Patch {
  private Patch() {}

  /**
   * Patches of an image, row by row.
   *
   * @param image [B, C, H, W], H and W multiples of {@code patch}
   * @return [B, (H/patch)(W/patch), C * patch * patch], channel first inside a patch
   */
  public static Tensor unfold(Tensor image, int patch) {
    Check.that(
        image.rank() == 4 && patch > 0 && image.size(2) % patch == 0 && image.size(3) % patch == 0,
        "unfold: image %s does not divide into patches of %d; [B, C, H, W] is wanted",
        image.layout(),
        patch);
    Tensor in = Check.f32("unfold", image).contiguous();
    long patches = in.size(2) / patch * (in.size(3) / patch);
    Tensor out =
        Tensor.empty(
            in.device(), "unfold", DType.F32, in.size(0), patches, in.size(1) * patch * patch);
    Check.backend("unfold", in).patch().unfold(in.strided(), patch, out.strided());
    return Elementwise.cast(
        Autograd.result(out.strided(), new PatchOp.Unfold(in, patch)), image.dtype());
  }

  /**
   * Patch embedding of a vision transformer (Dosovitskiy et al., equation 1).
   *
   * @param image [B, C, H, W]
   * @param weight [D, C, P, P], a convolution's
   * @param bias [D] or null
   * @return [B, patches, D]
   */
  public static Tensor embed(Tensor image, Tensor weight, Tensor bias) {
    Check.that(
        weight.rank() == 4 && weight.size(2) == weight.size(3) && weight.size(1) == image.size(1),
        "patch embedding: weight %s for image %s; [D, C, P, P] and [B, C, H, W] are wanted",
        weight.layout(),
        image.layout());
    Tensor patches = unfold(image, Math.toIntExact(weight.size(2)));
    return Matmul.linear(patches, weight.reshape(weight.size(0), -1), bias);
  }
}
