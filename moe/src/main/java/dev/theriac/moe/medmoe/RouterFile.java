package dev.theriac.moe.medmoe;

import dev.theriac.io.FileException;
import dev.theriac.io.Weights;
import dev.theriac.moe.Router;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;

/**
 * The files in which the authors of Med-MoE publish trained routers ({@code phi_router.pth}, {@code
 * stablelm_router.pth}): the state dict of a linear layer {@code fc1}, which {@link MedMoe#upcycle}
 * copies into every layer of experts. Which expert stands for which modality is not in the file.
 */
public final class RouterFile {
  private static final String WEIGHT = "fc1.weight";
  private static final String BIAS = "fc1.bias";

  private RouterFile() {}

  /**
   * Reads a router for top-1 routing by probability, of F32 whatever the file holds.
   *
   * @param file PyTorch or safetensors, with {@code fc1.weight} [E, dim] and {@code fc1.bias} [E]
   * @throws FileException when it cannot be read or holds something else; names what
   */
  public static Router read(Path file) {
    Weights weights = Weights.open(file);
    if (!weights.keys().equals(Set.of(WEIGHT, BIAS))) {
      throw new FileException(
          file,
          "not a router: it holds %s, and %s and %s are wanted"
              .formatted(some(weights.keys()), WEIGHT, BIAS));
    }
    Tensor weight = weights.get(WEIGHT);
    Tensor bias = weights.get(BIAS);
    if (!weight.dtype().isFloating()
        || !bias.dtype().isFloating()
        || weight.rank() != 2
        || weight.size() == 0
        || !Arrays.equals(bias.shape(), new long[] {weight.size(0)})) {
      throw new FileException(
          file,
          "not a router: %s is %s and %s is %s, [experts, dim] and [experts] are wanted"
              .formatted(
                  WEIGHT, weights.entry(WEIGHT).describe(), BIAS, weights.entry(BIAS).describe()));
    }
    return Router.of(weight.to(DType.F32), bias.to(DType.F32), 1, Router.Weighting.PROBABILITY);
  }

  private static String some(Set<String> keys) {
    String first = keys.stream().limit(3).toList().toString();
    return keys.size() <= 3 ? first : "%d tensors, such as %s".formatted(keys.size(), first);
  }
}
