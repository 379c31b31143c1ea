package dev.theriac.bench.dispatch;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The layer in libtorch: the loop over experts of {@code moe_ffn.py}, as a TorchScript file that is
 * run through the Deep Java Library. Native code does everything inside a call. One thread count
 * per JVM.
 */
public final class LibtorchDispatch implements dev.theriac.bench.frame.Engine {
  private final MoeShape shape;
  private final boolean half;
  private final PtNDManager manager;
  private final PtSymbolBlock module;
  private final List<String> matrices = new ArrayList<>();
  private final IValue[] inputs;
  private final IValue[] withGradient;
  private final IValue[] routerInputs;
  private PtNDArray[] results = {};

  /**
   * Starts libtorch with {@code threads} threads and sets the data up.
   *
   * @param half whether everything but ids is BF16
   */
  public LibtorchDispatch(DispatchProblem problem, int threads, boolean half) {
    this.half = half;
    shape = problem.shape();
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
    manager = (PtNDManager) NDManager.newBaseManager("PyTorch");
    try (InputStream file = LibtorchDispatch.class.getResourceAsStream("moe_ffn.pt")) {
      module = JniUtils.loadModule(manager, file, false, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    int t = shape.tokens();
    int d = shape.dim();
    int n = shape.hidden();
    PtNDArray[] gate = each(problem, "gate", n, d);
    PtNDArray[] gateBias = each(problem, shape.gated() ? null : "gate_bias", n);
    PtNDArray[] up = each(problem, shape.gated() ? "up" : null, n, d);
    PtNDArray[] down = each(problem, "down", d, n);
    PtNDArray[] downBias = each(problem, shape.gated() ? null : "down_bias", d);
    IValueUtils.runMethod(
        module,
        "load",
        IValue.listFrom(gate),
        IValue.listFrom(gateBias),
        IValue.listFrom(up),
        IValue.listFrom(down),
        IValue.listFrom(downBias),
        IValue.from(shape.gated() ? 0L : 1L),
        IValue.from(half));
    float[] weights = new float[Math.toIntExact(shape.rows())];
    for (int slot = 0; slot < weights.length; slot++) weights[slot] = problem.weight(slot);
    IValue x = input(filled(problem, "x", 0, t, d));
    IValue ids =
        IValue.from((PtNDArray) manager.create(problem.ids(), new Shape(t, shape.choices())));
    IValue w = input(array(weights, t, shape.choices()));
    IValue g = input(filled(problem, "g", 0, t, d));
    inputs = new IValue[] {x, ids, w};
    withGradient = new IValue[] {x, ids, w, g};
    routerInputs =
        new IValue[] {
          x,
          IValue.from(filled(problem, "router", 0, shape.experts(), d)),
          IValue.from((long) shape.topK())
        };
  }

  private PtNDArray[] each(DispatchProblem problem, String name, int... dims) {
    if (name == null) return new PtNDArray[0];
    matrices.add(name);
    PtNDArray[] all = new PtNDArray[shape.groups()];
    long size = 1;
    for (int dim : dims) size *= dim;
    for (int e = 0; e < all.length; e++) all[e] = filled(problem, name, e * size, dims);
    return all;
  }

  private PtNDArray filled(DispatchProblem problem, String name, long from, int... dims) {
    Values values = problem.inputs().get(name);
    int size = 1;
    for (int dim : dims) size = Math.multiplyExact(size, dim);
    float[] data = new float[size];
    for (int i = 0; i < size; i++) data[i] = values.at(from + i);
    return array(data, dims);
  }

  private PtNDArray array(float[] data, int... dims) {
    long[] shapeOf = new long[dims.length];
    for (int i = 0; i < dims.length; i++) shapeOf[i] = dims[i];
    return (PtNDArray) manager.create(data, new Shape(shapeOf));
  }

  private IValue input(PtNDArray full) {
    IValue value = IValue.from(full);
    return half ? IValueUtils.runMethod(module, "half", value) : value;
  }

  @Override
  public String name() {
    return "libtorch " + Engine.getEngine("PyTorch").getVersion() + (half ? " bf16" : "") + " loop";
  }

  @Override
  public Set<String> stages() {
    // The fused AdamW is for F32 parameters with F32 moments.
    return half
        ? Set.of("forward", "forward+backward")
        : Set.of("router+top-k", "forward", "forward+backward", "step");
  }

  @Override
  public void run(String stage) {
    for (PtNDArray old : results) old.close();
    results = new PtNDArray[0];
    switch (stage) {
      case "router+top-k" -> {
        IValue out = IValueUtils.runMethod(module, "route", routerInputs);
        for (IValue part : out.toIValueTuple()) {
          part.toTensor(manager).close();
          part.close();
        }
        out.close();
      }
      case "forward" -> {
        IValue out = IValueUtils.runMethod(module, "forward", inputs);
        results = new PtNDArray[] {out.toTensor(manager)};
        out.close();
      }
      case "forward+backward" -> list("gradients");
      case "step" -> list("step");
      default -> throw new IllegalArgumentException("no stage " + stage);
    }
  }

  private void list(String method) {
    IValue out = IValueUtils.runMethod(module, method, withGradient);
    results = out.toTensorArray(manager);
    out.close();
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    int place = List.of("out", "dx", "dweights").indexOf(tensor);
    long from = 0;
    if (place < 0) {
      int which = matrices.indexOf(tensor.substring(1));
      if (which < 0) throw new IllegalArgumentException("no result " + tensor);
      int first = 3 + which * shape.groups();
      long size = results[first].size();
      place = first + Math.toIntExact(indices[0] / size);
      from = (place - first) * size;
    }
    try (IValue found = IValue.from(results[place]);
        IValue converted = IValueUtils.runMethod(module, "wide", found);
        NDArray wide = converted.toTensor(manager)) {
      float[] all = wide.toFloatArray();
      double[] values = new double[indices.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = all[Math.toIntExact(indices[i] - from)];
      }
      return values;
    }
  }

  @Override
  public void close() {
    manager.close();
  }
}
