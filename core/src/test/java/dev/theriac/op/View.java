package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.stream.IntStream;

/** Ways in which a tensor of given values can lie in memory. */
enum View {
  PLAIN,
  /** Column-major. */
  TRANSPOSED,
  /** A window of a larger tensor whose other elements are 77. */
  SLICED;

  /** The storage to allocate for {@code values}: a tensor of which {@link #view} shows them. */
  Tensor base(Tensor values) {
    return switch (this) {
      case PLAIN -> ShapeFunctions.copy(values);
      case TRANSPOSED -> ShapeFunctions.copy(values.permute(reversed(values.rank())));
      case SLICED -> {
        long[] wide = values.shape();
        for (int d = 0; d < wide.length; d++) wide[d] += 3;
        Tensor base = Tensor.full(77, values.dtype(), wide);
        var window = base.strided().with(view(base).layout());
        Elementwise.kernels("test", base).copy(values.strided(), window);
        yield base;
      }
    };
  }

  Tensor view(Tensor base) {
    return switch (this) {
      case PLAIN -> base;
      case TRANSPOSED -> base.permute(reversed(base.rank()));
      case SLICED -> {
        Tensor window = base;
        for (int d = 0; d < base.rank(); d++) window = window.slice(d, 1, base.size(d) - 2);
        yield window;
      }
    };
  }

  /** The same values, lying in this way. */
  Tensor of(Tensor values) {
    return Autograd.noGrad(() -> view(base(values)));
  }

  private static int[] reversed(int rank) {
    return IntStream.range(0, rank).map(i -> rank - 1 - i).toArray();
  }
}
