package dev.theriac.bench.gemm;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/** The matrix product of this project's CPU back end, into memory that is there already. */
public final class TheriacGemm implements GemmEngine {

  private final Backend backend = Backends.cpu().backend();
  private final Strided a;
  private final Strided b;
  private final Strided c;

  /** Sets the operands up, and the worker pool to {@code threads}. */
  public TheriacGemm(GemmProblem problem, int threads) {
    Workers.setThreads(threads);
    a = matrix(problem.m(), problem.k(), problem.a());
    b = matrix(problem.k(), problem.n(), problem.b());
    c = matrix(problem.m(), problem.n(), new float[problem.m() * problem.n()]);
  }

  @Override
  public String name() {
    return "theriac " + backend.name();
  }

  @Override
  public void multiply() {
    backend.matmul().matmul(a, b, null, c, false);
  }

  @Override
  public float[] result() {
    float[] values = new float[(int) c.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = Host.getFloat(c.address() + 4L * i);
    }
    return values;
  }

  @Override
  public void close() {
    for (Strided operand : new Strided[] {a, b, c}) {
      operand.storage().free("the end of the benchmark");
    }
  }

  private static Strided matrix(int rows, int columns, float[] values) {
    Layout layout = Layout.contiguous(rows, columns);
    CpuStorage storage = CpuStorage.allocate(4L * values.length, "benchmark");
    for (int i = 0; i < values.length; i++) {
      Host.setFloat(storage.address() + 4L * i, values[i]);
    }
    return new Strided(storage, DType.F32, layout);
  }
}
