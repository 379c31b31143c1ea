package dev.theriac.bench.gemm;

import dev.theriac.bench.frame.Engine;
import java.util.Set;

/** A {@link GemmEngine} in the frame of all benchmarks: one stage, one result. */
public record GemmStage(GemmEngine engine) implements Engine {
  static final String STAGE = "gemm";

  @Override
  public String name() {
    return engine.name();
  }

  @Override
  public Set<String> stages() {
    return Set.of(STAGE);
  }

  @Override
  public void run(String stage) {
    engine.multiply();
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    float[] c = engine.result();
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) values[i] = c[Math.toIntExact(indices[i])];
    return values;
  }

  @Override
  public void close() {
    engine.close();
  }
}
