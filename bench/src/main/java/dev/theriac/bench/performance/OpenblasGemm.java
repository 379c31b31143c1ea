package dev.theriac.bench.performance;

import dev.theriac.bench.frame.Engine;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The f32 matrix product of OpenBLAS: {@code cblas_sgemm} of the library in JavaCPP's jar, called
 * through the foreign function interface. One thread count per JVM.
 */
final class OpenblasGemm implements Engine {
  private static final String FOLDER = "/org/bytedeco/openblas/linux-x86_64/";

  /** What the library needs comes before it. */
  private static final List<String> FILES =
      List.of("libgcc_s.so.1", "libquadmath.so.0", "libgfortran.so.5", "libopenblas.so.0");

  private static final int ROW_MAJOR = 101;
  private static final int AS_IT_IS = 111;
  private static final int TRANSPOSED = 112;

  private final Family family;
  private final MethodHandle sgemm;
  private final String name;
  private Case current;
  private Inputs inputs;

  /**
   * @throws IllegalStateException where the jar is missing or the library does not start
   */
  OpenblasGemm(Family family, int threads) {
    this.family = family;
    Linker linker = Linker.nativeLinker();
    SymbolLookup library = load();
    var i32 = ValueLayout.JAVA_INT;
    var i64 = ValueLayout.JAVA_LONG; // addresses: operands lie in our memory
    var f32 = ValueLayout.JAVA_FLOAT;
    sgemm =
        linker.downcallHandle(
            library.findOrThrow("cblas_sgemm"),
            FunctionDescriptor.ofVoid(
                i32, i32, i32, i32, i32, i32, f32, i64, i32, i64, i32, f32, i64, i32));
    try {
      linker
          .downcallHandle(
              library.findOrThrow("openblas_set_num_threads"), FunctionDescriptor.ofVoid(i32))
          .invoke(threads);
      MemorySegment config =
          (MemorySegment)
              linker
                  .downcallHandle(
                      library.findOrThrow("openblas_get_config"),
                      FunctionDescriptor.of(ValueLayout.ADDRESS))
                  .invoke();
      // OpenBLAS 0.3.31 DYNAMIC_ARCH NO_AFFINITY Cooperlake MAX_THREADS=64: the kernels' processor
      name =
          config
              .reinterpret(1000)
              .getString(0)
              .replaceAll("(\\S+ \\S+).* (\\S+) MAX_THREADS.*", "$1 ($2)");
    } catch (Throwable e) {
      throw new IllegalStateException("OpenBLAS does not start: " + e, e);
    }
  }

  private static SymbolLookup load() {
    try {
      Path folder = Files.createTempDirectory("openblas");
      try {
        for (String file : FILES) {
          Path copy = folder.resolve(file);
          try (InputStream in = OpenblasGemm.class.getResourceAsStream(FOLDER + file)) {
            if (in == null) throw new IllegalStateException("OpenBLAS is not on the class path");
            Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
          }
          System.load(copy.toString());
        }
        return SymbolLookup.libraryLookup(folder.resolve(FILES.getLast()), Arena.global());
      } finally {
        for (String file : FILES) Files.deleteIfExists(folder.resolve(file));
        Files.delete(folder);
      }
    } catch (IOException | UnsatisfiedLinkError | IllegalArgumentException e) {
      throw new IllegalStateException("OpenBLAS does not start: " + e.getMessage(), e);
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Set<String> stages() {
    return new LinkedHashSet<>(
        family.cases().stream()
            .filter(c -> family.rivals(c).contains("openblas"))
            .map(Case::id)
            .toList());
  }

  @Override
  public void run(String stage) {
    if (current == null || !current.id().equals(stage)) {
      close();
      current = family.of(stage);
      inputs = new Inputs(current);
    }
    GemmFamily.Order order = GemmFamily.order(current);
    long[] c = current.input("c").shape();
    int m = (int) c[0];
    int n = (int) c[1];
    int k = (int) current.input("a").shape()[order.leftTransposed() ? 0 : 1];
    try {
      sgemm.invokeExact(
          ROW_MAJOR,
          order.leftTransposed() ? TRANSPOSED : AS_IT_IS,
          order.rightTransposed() ? TRANSPOSED : AS_IT_IS,
          m,
          n,
          k,
          1f,
          inputs.strided("a").address(),
          order.leftTransposed() ? m : k,
          inputs.strided("b").address(),
          order.rightTransposed() ? k : n,
          0f,
          inputs.strided("c").address(),
          n);
    } catch (Throwable e) {
      throw new IllegalStateException("cblas_sgemm failed", e);
    }
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    float[] all = inputs.tensor(tensor).toFloats();
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) values[i] = all[Math.toIntExact(indices[i])];
    return values;
  }

  @Override
  public void close() {
    if (inputs != null) inputs.close();
    inputs = null;
    current = null;
  }
}
