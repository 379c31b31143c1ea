package dev.theriac.bench.performance;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/** A case's tensors in our memory, each made when it is first asked for. */
public final class Inputs implements AutoCloseable {
  private static final int AT_ONCE = 1 << 16;

  private final Case of;
  private final Map<String, Tensor> made = new HashMap<>();

  public Inputs(Case of) {
    this.of = of;
  }

  /** Contiguous; not to be closed by the caller. */
  public Tensor tensor(String name) {
    return made.computeIfAbsent(name, n -> fill(of.input(n)));
  }

  /** As {@link #tensor}, for kernels. */
  public Strided strided(String name) {
    return tensor(name).strided();
  }

  /** An element without the tensor, flat and row-major: for sums in float64. */
  public double at(String name, long index) {
    return of.input(name).at(index);
  }

  /** What a tensor is made from. */
  public Input input(String name) {
    return of.input(name);
  }

  private static Tensor fill(Input input) {
    Tensor t = Scope.persist(Tensor.empty("bench", input.dtype(), input.shape()));
    long at = t.strided().address();
    DType dtype = input.dtype();
    long size = input.size();
    if (input.scale() == 0 && input.offset() == 0) {
      Host.ALL.asSlice(at, size * dtype.bytes()).fill((byte) 0);
      return t;
    }
    Workers.parallelRange(
        size,
        AT_ONCE,
        (from, to) -> {
          for (long i = from; i < to; i++) Host.set(dtype, at, i, input.at(i));
        });
    return t;
  }

  @Override
  public void close() {
    made.values().forEach(Tensor::close);
    made.clear();
  }
}
