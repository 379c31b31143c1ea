package dev.theriac.bench.performance;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Engine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * The quantised family in ggml: graphs of one {@code ggml_mul_mat} each, in the library that the
 * llama.cpp binding {@code de.kherud:llama} brings, called without that binding's own code. The
 * structures are those of its version.
 */
final class GgmlLinear implements Engine {
  private static final String LIBRARY = "/de/kherud/llama/Linux/x86_64/libjllama.so";
  private static final int Q4_0 = 2;
  private static final int Q8_0 = 8;
  private static final int F32 = 0;

  /** {@code ggml_init_params}: size, buffer, whether not to allocate. */
  private static final StructLayout PARAMETERS =
      MemoryLayout.structLayout(JAVA_LONG, ADDRESS, JAVA_BYTE, MemoryLayout.paddingLayout(7));

  /**
   * {@code ggml_cplan}: work size and memory, threads, thread pool, abort callback and its data.
   */
  private static final StructLayout PLAN =
      MemoryLayout.structLayout(
          JAVA_LONG, ADDRESS, JAVA_INT, MemoryLayout.paddingLayout(4), ADDRESS, ADDRESS, ADDRESS);

  private final Family family;
  private final int threads;
  private final Arena arena = Arena.ofShared();
  private final SymbolLookup library;
  private final Linker linker = Linker.nativeLinker();
  private final MethodHandle compute;
  private Case current;
  private MemorySegment context;
  private MemorySegment[] graphs;
  private MemorySegment[] plans;
  private MemorySegment[] results;
  private int next;
  private int last;

  GgmlLinear(Family family, int threads) {
    this.family = family;
    this.threads = threads;
    library = load();
    compute = function("ggml_graph_compute", JAVA_INT, ADDRESS, ADDRESS);
    call(function("ggml_cpu_init", null));
  }

  private SymbolLookup load() {
    try (InputStream in = GgmlLinear.class.getResourceAsStream(LIBRARY)) {
      if (in == null) throw new IllegalStateException("ggml is not on the class path");
      Path file = Files.createTempFile("ggml", ".so");
      try {
        Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        return SymbolLookup.libraryLookup(file, arena);
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (IllegalArgumentException e) {
      throw new IllegalStateException("ggml does not load: " + e.getMessage(), e);
    }
  }

  private MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
    MemorySegment address =
        library.find(name).orElseThrow(() -> new IllegalStateException("ggml has no " + name));
    return linker.downcallHandle(
        address,
        result == null
            ? FunctionDescriptor.ofVoid(arguments)
            : FunctionDescriptor.of(result, arguments));
  }

  private static Object call(MethodHandle function, Object... arguments) {
    try {
      return function.invokeWithArguments(arguments);
    } catch (Throwable t) {
      throw new IllegalStateException("ggml", t);
    }
  }

  @Override
  public String name() {
    return "ggml (llama 4.2.0)";
  }

  @Override
  public Set<String> stages() {
    return new LinkedHashSet<>(family.cases().stream().map(Case::id).toList());
  }

  @Override
  public void run(String stage) {
    if (current == null || !current.id().equals(stage)) setUp(family.of(stage));
    try {
      int status = (int) compute.invokeExact(graphs[next], plans[next]);
      if (status != 0) throw new IllegalStateException("ggml: status " + status);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable t) {
      throw new IllegalStateException("ggml", t);
    }
    last = next;
    next = (next + 1) % graphs.length;
  }

  private void setUp(Case c) {
    forget();
    int type = c.operation().equals("int8") ? Q8_0 : Q4_0;
    long rows = c.input("x").shape()[0];
    long n = c.input("w").shape()[0];
    long k = c.input("w").shape()[1];
    long bytes = n * k / 32 * (type == Q8_0 ? 34 : 18);
    int copies = QuantisedFamily.copies(bytes);
    MemorySegment parameters = arena.allocate(PARAMETERS);
    parameters.set(JAVA_LONG, 0, copies * (bytes + 4 * n * rows + (1 << 20)) + (64 << 20));
    context = (MemorySegment) call(function("ggml_init", ADDRESS, PARAMETERS), parameters);
    MethodHandle tensor =
        function("ggml_new_tensor_2d", ADDRESS, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG);
    MethodHandle data = function("ggml_get_data", ADDRESS, ADDRESS);
    MethodHandle multiply = function("ggml_mul_mat", ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    MethodHandle graph = function("ggml_new_graph", ADDRESS, ADDRESS);
    MethodHandle expand = function("ggml_build_forward_expand", null, ADDRESS, ADDRESS);
    MethodHandle plan = function("ggml_graph_plan", PLAN, ADDRESS, JAVA_INT, ADDRESS);
    MemorySegment x = (MemorySegment) call(tensor, context, F32, k, rows);
    fill(memory(data, x, 4 * rows * k), c.input("x"));
    MemorySegment weights = quantised(c, type, n, k, bytes);
    graphs = new MemorySegment[copies];
    plans = new MemorySegment[copies];
    results = new MemorySegment[copies];
    for (int i = 0; i < copies; i++) {
      MemorySegment w = (MemorySegment) call(tensor, context, type, k, n);
      memory(data, w, bytes).copyFrom(weights);
      MemorySegment y = (MemorySegment) call(multiply, context, w, x);
      graphs[i] = (MemorySegment) call(graph, context);
      call(expand, graphs[i], y);
      results[i] = memory(data, y, 4 * rows * n);
      plans[i] = (MemorySegment) call(plan, arena, graphs[i], threads, MemorySegment.NULL);
      long work = plans[i].get(JAVA_LONG, 0);
      if (work > 0) plans[i].set(ADDRESS, 8, arena.allocate(work, 64));
    }
    next = 0;
    current = c;
  }

  private MemorySegment quantised(Case c, int type, long n, long k, long bytes) {
    MethodHandle quantise =
        function(
            "ggml_quantize_chunk",
            JAVA_LONG,
            JAVA_INT,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            ADDRESS);
    MemorySegment weights = arena.allocate(bytes, 64);
    try (Arena own = Arena.ofShared()) {
      MemorySegment values = own.allocate(4 * n * k, 64);
      fill(values, c.input("w"));
      long written = (long) call(quantise, type, values, weights, 0L, n, k, MemorySegment.NULL);
      if (written != bytes) {
        throw new IllegalStateException("ggml: " + written + " bytes, not " + bytes);
      }
    }
    return weights;
  }

  private static void fill(MemorySegment memory, Input input) {
    Workers.parallelRange(
        input.size(),
        1 << 16,
        (from, to) -> {
          for (long i = from; i < to; i++) memory.setAtIndex(JAVA_FLOAT, i, (float) input.at(i));
        });
  }

  private static MemorySegment memory(MethodHandle data, MemorySegment tensor, long bytes) {
    return ((MemorySegment) call(data, tensor)).reinterpret(bytes);
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    return LongStream.of(indices)
        .mapToDouble(i -> results[last].getAtIndex(JAVA_FLOAT, i))
        .toArray();
  }

  private void forget() {
    if (context != null) call(function("ggml_free", null, ADDRESS), context);
    context = null;
    current = null;
  }

  @Override
  public void close() {
    forget(); // the library stays: its threads may not have ended
  }
}
