package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.cuda.device.CudaBlas;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.CudaException;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import jcuda.jcublas.cublasComputeType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Dense products by cuBLAS; see CudaAbsentTest for machines without. */
class CudaBlasTest {
  private final CudaDevice device = EmulatedCuda.device();
  private final Backend cuda = StagedBackend.of(new CudaBackend(device, Precision.F32), device);
  private final Matrices make = new Matrices(17);

  @AfterEach
  void free() {
    make.close();
  }

  @Test
  void isFound() {
    assertThat(CudaBlas.of(device).availability().available()).isTrue();
    assertThat(CudaBlas.of(device).availability().cause()).startsWith("cuBLAS 1");
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void bothOrdersOfBothOperands(Precision precision) {
    Backend there = StagedBackend.of(new CudaBackend(device, precision), device);
    double tolerance =
        switch (precision) {
          case F32 -> CudaTolerances.PRODUCT_F32;
          case TF32 -> CudaTolerances.PRODUCT_TF32;
          case BF16 -> CudaTolerances.PRODUCT_BF16;
        };
    long[][] sizes = {{1, 1, 1}, {1, 20, 7}, {20, 1, 7}, {5, 7, 1}, {33, 65, 40}};
    for (long[] s : sizes) {
      for (int order = 0; order < 4; order++) {
        Strided a = order % 2 == 0 ? make.random(s[0], s[2]) : turned(make.random(s[2], s[0]));
        Strided b = order / 2 == 0 ? make.random(s[2], s[1]) : turned(make.random(s[1], s[2]));
        same(there, tolerance, a, b, null, null, "cublasGemmEx");
        same(there, tolerance, a, b, make.random(s[1]), null, "cublasGemmEx");
        same(there, tolerance, a, b, null, make.random(s[0], s[1]), "cublasGemmEx");
      }
    }
  }

  @Test
  void batches() {
    Strided a = make.random(2, 3, 5, 9);
    Strided weights = make.random(9, 7);
    Strided one = weights.with(Layout.strided(new long[] {2, 3, 9, 7}, new long[] {0, 0, 7, 1}, 0));
    String batched = "cublasGemmStridedBatchedEx";
    same(a, make.random(2, 3, 9, 7), null, null, batched);
    same(a, one, make.random(7), null, batched);
    same(a, one, null, make.random(2, 3, 5, 7), batched);
    Strided wide = make.random(6, 40);
    Strided gaps = wide.with(Layout.strided(new long[] {6, 11}, new long[] {40, 1}, 5));
    same(gaps, make.random(11, 4), null, null, "cublasGemmEx");
  }

  /** What cuBLAS does not know is multiplied by our own kernels. */
  @Test
  void otherLayoutsAndTypes() {
    Strided wide = make.random(40, 200);
    Strided everySecond = wide.with(Layout.strided(new long[] {40, 50}, new long[] {200, 2}, 3));
    Strided constant = wide.with(Layout.strided(new long[] {40, 50}, new long[] {0, 1}, 0));
    Strided b = make.random(50, 20);
    same(everySecond, b, null, null, "matmul_f32");
    same(constant, b, null, null, "matmul_f32");
    same(make.random(4, 50), make.random(DType.BF16, 50, 20), null, null, "matmul_f32");
    same(make.random(4, 0), make.random(0, 20), make.random(20), null, "matmul_f32");
    Strided heads = make.random(2, 5, 3, 9);
    Strided apart = heads.with(heads.layout().permute(0, 2, 1, 3));
    Strided c = make.random(3, 9, 7);
    Strided three = c.with(Layout.strided(new long[] {2, 3, 9, 7}, new long[] {0, 63, 7, 1}, 0));
    same(apart, three, null, null, "matmul_f32");
  }

  @Test
  void sameBitsInEveryRun() {
    Strided a = make.random(70, 90);
    Strided b = make.random(90, 50);
    Strided first = make.unwritten(70, 50);
    cuda.matmul().matmul(a, b, null, first, false);
    for (int run = 0; run < 3; run++) {
      Strided again = make.unwritten(70, 50);
      cuda.matmul().matmul(a, b, null, again, false);
      assertThat(Matrices.values(again)).isEqualTo(Matrices.values(first));
    }
  }

  @Test
  void refusalsNameTheCall() {
    DeviceBlock block = device.allocate(4096, "test");
    try {
      CudaBlas.Matrix good = new CudaBlas.Matrix(block.address(), false, 8, 64);
      CudaBlas.Matrix narrow = new CudaBlas.Matrix(block.address(), false, 7, 64);
      int f32 = cublasComputeType.CUBLAS_COMPUTE_32F;
      CudaBlas blas = CudaBlas.of(device);
      assertThatThrownBy(() -> blas.gemm(8, 8, 8, narrow, good, 0, good, 1, f32))
          .isInstanceOf(CudaException.class)
          .hasMessageContaining("cublasGemmEx failed with CUBLAS_STATUS_INVALID_VALUE (7)")
          .hasMessageContaining("8 x 8 x 8")
          .hasMessageContaining("leading dimensions 7, 8, 8");
      assertThatThrownBy(() -> blas.gemm(8, 8, 8, good, good, 0, good, 2, 12345))
          .isInstanceOf(CudaException.class)
          .hasMessageContaining(
              "cublasGemmStridedBatchedEx failed with CUBLAS_STATUS_NOT_SUPPORTED");
    } finally {
      block.release();
    }
  }

  private static Strided turned(Strided x) {
    return x.with(x.layout().permute(1, 0));
  }

  private void same(Strided a, Strided b, Strided bias, Strided before, String by) {
    same(cuda, CudaTolerances.PRODUCT_F32, a, b, bias, before, by);
  }

  private void same(
      Backend there,
      double tolerance,
      Strided a,
      Strided b,
      Strided bias,
      Strided before,
      String by) {
    assertThat(Products.apart(there, make, a, b, bias, before))
        .as("%s times %s", a, b)
        .isLessThanOrEqualTo(tolerance);
    assertThat(device.lastKernel()).isEqualTo(by);
  }
}
