package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.cuda.AttentionProblem.Exact;
import dev.theriac.cuda.AttentionProblem.Size;
import dev.theriac.cuda.AttentionProblem.View;
import dev.theriac.cuda.CudaAttention.Version;
import dev.theriac.cuda.device.CudaDevice;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Attention and its gradient, each version beside the definition. */
class CudaAttentionTest {
  private final CudaDevice device = EmulatedCuda.device();

  private static final List<Size> SIZES =
      List.of(
          new Size(1, 1, 1, 1, 1, 1, false),
          new Size(2, 3, 3, 2, 2, 17, true),
          new Size(1, 1, 17, 4, 1, 8, true),
          new Size(2, 5, 17, 4, 2, 3, true, 17, 9),
          new Size(3, 3, 17, 3, 3, 64, false, 0, 17, 1),
          new Size(1, 65, 65, 2, 2, 64, true),
          new Size(1, 130, 130, 1, 1, 64, false),
          new Size(1, 70, 150, 4, 2, 64, true),
          new Size(2, 33, 97, 3, 1, 80, true, 97, 40),
          new Size(1, 64, 64, 2, 1, 80, false),
          new Size(1, 66, 33, 2, 2, 128, true),
          new Size(1, 40, 70, 4, 2, 128, true),
          new Size(1, 5, 20, 2, 1, 200, true),
          new Size(0, 3, 3, 2, 2, 4, true),
          new Size(2, 0, 3, 2, 2, 4, false),
          new Size(2, 3, 0, 2, 1, 4, false));

  private static final View[] ONE = {View.DENSE};

  private AttentionKernels kernels(Version version) {
    Backend backend = new CudaBackend(device);
    AttentionKernels attention = new CudaAttention(device, version);
    Object versioned =
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (_, method, arguments) ->
                method.getName().equals("attention")
                    ? attention
                    : method.invoke(backend, arguments));
    return StagedBackend.of((Backend) versioned, device).attention();
  }

  private static void check(
      String what, Exact exact, float[][] found, double forward, double gradient) {
    double[] lseSize = Arrays.stream(exact.lse).map(x -> 1 + Math.abs(x)).toArray();
    assertThat(AttentionProblem.error(found[0], exact.out, exact.outSize))
        .as(what + ": out")
        .isLessThan(forward);
    assertThat(AttentionProblem.error(found[1], exact.lse, lseSize))
        .as(what + ": log-sums")
        .isLessThan(forward);
    for (int i = 0; i < 3; i++) {
      double error =
          AttentionProblem.error(found[2 + i], exact.gradients[i], exact.gradientSizes[i]);
      assertThat(error).as(what + ": gradient of " + "qkv".charAt(i)).isLessThan(gradient);
    }
  }

  @ParameterizedTest
  @EnumSource(Version.class)
  void agreesWithTheDefinition(Version version) {
    AttentionKernels kernels = kernels(version);
    for (Size size : SIZES) {
      if (version == Version.NAIVE && size.t() * size.s() > 2500) continue;
      for (View view : size.t() * size.s() > 2500 ? ONE : View.values()) {
        try (AttentionProblem problem = new AttentionProblem(size, view, 7)) {
          String what = "%s of %s, %s".formatted(version, size, view);
          check(
              what,
              problem.exact(),
              problem.both(kernels),
              CudaTolerances.ATTENTION_F32,
              CudaTolerances.ATTENTION_GRADIENT_F32);
        }
      }
    }
  }

  @Test
  void agreesWithTheScalarKernels() {
    var staged = StagedBackend.of(new CudaBackend(device), device);
    for (KernelCheck check : KernelCheck.all()) {
      if (!check.kernel().startsWith("attention.")) continue;
      for (long rows : new long[] {2, 3, 17, 65}) {
        assertThat(check.apart(staged, Backends.scalar(), rows))
            .as(check.name() + ", " + rows + " rows")
            .isLessThan(1e-5);
      }
    }
  }

  /** Keys behind a query, or behind the length of its sequence, have no say, whatever they are. */
  @ParameterizedTest
  @EnumSource(Version.class)
  void whatIsHiddenMayBeNoNumber(Version version) {
    Size size = new Size(2, 40, 70, 2, 1, 64, true, 70, 33);
    try (AttentionProblem problem = new AttentionProblem(size, View.DENSE, 3)) {
      Exact exact = problem.exact();
      for (int d = 0; d < size.d(); d++) {
        for (int s = 33; s < size.s(); s++) {
          AttentionProblem.set(problem.k, 1, s, 0, d, Float.NaN);
          AttentionProblem.set(problem.v, 1, s, 0, d, Float.NEGATIVE_INFINITY);
        }
        AttentionProblem.set(problem.k, 0, 69, 0, d, Float.NaN);
        AttentionProblem.set(problem.v, 0, 69, 0, d, Float.POSITIVE_INFINITY);
      }
      float[][] found = problem.both(kernels(version));
      int row = size.h() * size.d();
      int last = (size.t() - 1) * row;
      for (int i = 0; i < size.t() * row; i++) {
        assertThat(Float.isFinite(found[0][i])).as("out at %d", i).isEqualTo(i < last);
        // Of the second sequence everything is as it was.
        int other = size.t() * row + i;
        assertThat((double) found[0][other]).isCloseTo(exact.out[other], within(1e-5));
        assertThat((double) found[2][other]).isCloseTo(exact.gradients[0][other], within(1e-5));
      }
    }
  }

  /** Scores far apart, all equal and infinite, as the scalar kernels take them. */
  @ParameterizedTest
  @EnumSource(Version.class)
  void scoresOfAnySize(Version version) {
    Size size = new Size(1, 5, 21, 1, 1, 16, false);
    try (AttentionProblem problem = new AttentionProblem(size, View.DENSE, 5)) {
      for (int d = 0; d < size.d(); d++) {
        AttentionProblem.set(problem.q, 0, 0, 0, d, 100 * (d % 3 - 1));
        AttentionProblem.set(problem.q, 0, 1, 0, d, 0);
        AttentionProblem.set(problem.q, 0, 2, 0, d, d == 3 ? Float.NaN : 1);
        AttentionProblem.set(problem.q, 0, 3, 0, d, 1e20f);
        AttentionProblem.set(problem.k, 0, 4, 0, d, 1e15f);
      }
      float[][] found = problem.forward(kernels(version));
      float[][] wanted = problem.forward(Backends.scalar().attention());
      for (int i = 0; i < found[0].length; i++) {
        if (Float.isFinite(wanted[0][i])) {
          assertThat(found[0][i]).as("out at %d", i).isCloseTo(wanted[0][i], within(1e-4f));
        } else {
          assertThat(found[0][i]).as("out at %d", i).isNaN();
        }
      }
      assertThat(found[0][size.d()]).isFinite();
      assertThat(found[0][2 * size.d()]).isNaN();
      assertThat(found[0][3 * size.d()]).isEqualTo(AttentionProblem.get(problem.v, 0, 4, 0, 0));
    }
  }

  /** However threads and copies are ordered, and as often as it is asked. */
  @ParameterizedTest
  @EnumSource(Version.class)
  void givesTheSameBits(Version version) {
    Size size =
        version == Version.NAIVE
            ? new Size(2, 9, 30, 4, 2, 20, true, 30, 20)
            : new Size(2, 37, 150, 4, 2, 64, true, 150, 90);
    try (AttentionProblem problem = new AttentionProblem(size, View.DENSE, 9)) {
      float[][] first = problem.both(kernels(version));
      for (String schedule : List.of("fwd", "rev", "rand:1")) {
        for (String copies : List.of("late", "early")) {
          EmulatedCuda.configure("CUEMU_SCHED", schedule);
          EmulatedCuda.configure("CUEMU_CPASYNC", copies);
          float[][] again = problem.both(kernels(version));
          for (int i = 0; i < first.length; i++) {
            assertThat(again[i]).as(schedule + ", " + copies).isEqualTo(first[i]);
          }
        }
      }
    } finally {
      EmulatedCuda.configure("CUEMU_SCHED", EmulatedCuda.SCHEDULE);
      EmulatedCuda.configure("CUEMU_CPASYNC", EmulatedCuda.COPIES);
    }
  }
}
