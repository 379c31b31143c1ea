package dev.theriac.bench.gemm;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/** The matrix product of libtorch, through the Deep Java Library. One thread count per JVM. */
public final class LibtorchGemm implements GemmEngine {

  private final NDManager manager;
  private final NDArray a;
  private final NDArray b;
  private NDArray c;

  /** Starts libtorch with {@code threads} threads and sets the operands up. */
  public LibtorchGemm(GemmProblem problem, int threads) {
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
    manager = NDManager.newBaseManager("PyTorch");
    a = manager.create(problem.a(), new Shape(problem.m(), problem.k()));
    b = manager.create(problem.b(), new Shape(problem.k(), problem.n()));
  }

  @Override
  public String name() {
    return "libtorch " + Engine.getEngine("PyTorch").getVersion();
  }

  @Override
  public void multiply() {
    if (c != null) {
      c.close();
    }
    c = a.matMul(b);
  }

  @Override
  public float[] result() {
    return c.toFloatArray();
  }

  @Override
  public void close() {
    manager.close();
  }
}
