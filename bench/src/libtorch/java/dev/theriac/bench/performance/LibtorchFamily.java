package dev.theriac.bench.performance;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Engine;
import dev.theriac.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A family in libtorch: the TorchScript module of its name, run through the Deep Java Library.
 * Native code does everything inside a call. One thread count per JVM.
 */
public final class LibtorchFamily implements Engine {
  private final Family family;
  private final PtNDManager manager;
  private final PtSymbolBlock tensors;
  private final PtSymbolBlock module;
  private Case current;
  private PtNDManager held;
  private IValue[] arguments;
  private PtNDArray[] results = {};

  /** Starts libtorch with {@code threads} threads. */
  public LibtorchFamily(Family family, int threads) {
    this.family = family;
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("ai.djl.pytorch.num_threads", Integer.toString(threads));
    System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
    manager = (PtNDManager) NDManager.newBaseManager("PyTorch");
    tensors = module("tensors.pt");
    module = module(family.name() + ".pt");
  }

  private PtSymbolBlock module(String name) {
    try (InputStream file = LibtorchFamily.class.getResourceAsStream(name)) {
      if (file == null) throw new IllegalStateException("there is no " + name);
      return JniUtils.loadModule(manager, file, false, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String name() {
    return "libtorch " + ai.djl.engine.Engine.getEngine("PyTorch").getVersion();
  }

  @Override
  public Set<String> stages() {
    return new LinkedHashSet<>(
        family.cases().stream()
            .filter(c -> family.rivals(c).contains("libtorch"))
            .map(Case::id)
            .toList());
  }

  @Override
  public void run(String stage) {
    if (current == null || !current.id().equals(stage)) setUp(family.of(stage));
    for (PtNDArray old : results) old.close();
    results = new PtNDArray[0];
    IValue out = IValueUtils.runMethod(module, current.method(), arguments);
    results = out.toTensorArray(manager);
    out.close();
  }

  private void setUp(Case next) {
    forget();
    held = (PtNDManager) manager.newSubManager();
    List<PtNDArray> inputs = new ArrayList<>();
    for (Input input : next.inputs()) inputs.add(array(input));
    arguments =
        new IValue[] {
          IValue.listFrom(inputs.toArray(PtNDArray[]::new)),
          IValue.listFrom(next.numbers().stream().mapToLong(Long::longValue).toArray())
        };
    current = next;
  }

  private PtNDArray array(Input input) {
    int size = Math.toIntExact(input.size());
    if (input.dtype() == DType.I64) {
      long[] data = new long[size];
      for (int i = 0; i < size; i++) data[i] = (long) input.at(i);
      return (PtNDArray) held.create(data, new Shape(input.shape()));
    }
    float[] data = new float[size];
    if (input.scale() != 0 || input.offset() != 0) {
      Workers.parallelRange(
          size,
          1 << 16,
          (from, to) -> {
            for (int i = (int) from; i < to; i++) data[i] = (float) input.at(i);
          });
    }
    PtNDArray full = (PtNDArray) held.create(data, new Shape(input.shape()));
    if (input.dtype() == DType.F32) return full;
    try (IValue wide = IValue.from(full);
        IValue half = IValueUtils.runMethod(tensors, "half", wide);
        full) {
      return half.toTensor(held);
    }
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    List<String> names = current.results().stream().map(Case.Result::name).toList();
    try (IValue found = IValue.from(results[names.indexOf(tensor)]);
        IValue converted = IValueUtils.runMethod(tensors, "wide", found);
        NDArray wide = converted.toTensor(manager)) {
      float[] all = wide.toFloatArray();
      double[] values = new double[indices.length];
      for (int i = 0; i < values.length; i++) values[i] = all[Math.toIntExact(indices[i])];
      return values;
    }
  }

  @Override
  public void restart() {
    forget();
  }

  private void forget() {
    for (PtNDArray old : results) old.close();
    results = new PtNDArray[0];
    if (arguments != null) for (IValue argument : arguments) argument.close();
    arguments = null;
    if (held != null) held.close();
    held = null;
    current = null;
  }

  @Override
  public void close() {
    forget();
    manager.close();
  }
}
