package dev.theriac.cuda;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.cuda.device.CudaDevice;
import java.util.List;
import java.util.function.Function;

/**
 * Versions of kernels beside each other, for {@code theriac bench gpu}; {@link CudaBackend} chooses
 * among them.
 */
public final class Laboratory {
  private Laboratory() {}

  /**
   * One way to compute attention.
   *
   * @param name short, without blanks
   * @param precision of its products
   * @param idea one sentence
   * @param kernels for tensors of a device
   */
  public record Attention(
      String name,
      Precision precision,
      String idea,
      Function<CudaDevice, AttentionKernels> kernels) {}

  /** From the plainest on. */
  public static List<Attention> attention() {
    return List.of(
        new Attention(
            "naive",
            Precision.F32,
            "A warp takes one query and goes over its keys twice, with its sums in global memory.",
            device -> new CudaAttention(device, CudaAttention.Version.NAIVE)),
        new Attention(
            "tiled",
            Precision.F32,
            "A block keeps the sums of many queries and brings keys through shared memory; few"
                + " queries' keys are cut into parts that are merged in one order.",
            device -> new CudaAttention(device, CudaAttention.Version.TILED)));
  }

  /** Dense products by the project's own tiles alone, where the back end prefers cuBLAS. */
  public static MatmulKernels ownProducts(CudaDevice device, Precision precision) {
    return new CudaMatmul(device, precision, new CudaElementwise(device), false);
  }
}
