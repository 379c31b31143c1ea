package dev.theriac.backend.vector;

import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/** A digest of the bits of many products, for comparison between JVMs. */
final class GemmDigest {

  private static final int[][] SHAPES = {
    {1, 1, 1}, {3, 17, 5}, {8, 48, 64}, {129, 131, 17}, {150, 200, 400}, {13, 25, 777}, {1, 100, 50}
  };

  private GemmDigest() {}

  /** Prints vector width, height of the tiles and digest. */
  public static void main(String[] args) throws InterruptedException {
    if (!GemmWarmUp.await(300)) {
      throw new IllegalStateException("the kernels do not get up to speed");
    }
    System.out.println(
        "digest %d %b %x".formatted(Lanes.LENGTH * 32, JitDirectives.LARGE_KERNELS, digest()));
  }

  static long digest() {
    long digest = 1;
    for (int[] shape : SHAPES) {
      for (Order left : Order.values()) {
        for (Order right : Order.values()) {
          for (DType type : new DType[] {DType.F32, DType.BF16}) {
            Strided a = Matrices.matrix(shape[0], shape[2], left, 1);
            Strided b = Matrices.matrix(shape[2], shape[1], right, type, 2);
            Strided c = Matrices.empty(Layout.contiguous(shape[0], shape[1]), DType.F32);
            new VectorMatmul().matmul(a, b, null, c, false);
            for (long i = 0; i < c.size(); i++) {
              digest = digest * 31 + Host.getInt(c.address() + 4 * i);
            }
          }
        }
      }
    }
    return digest;
  }
}
