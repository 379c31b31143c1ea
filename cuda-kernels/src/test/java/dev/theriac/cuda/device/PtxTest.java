package dev.theriac.cuda.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The device code of the jar, through the compiler that drivers of CUDA 12.0 have: no GPU needed.
 */
@EnabledOnOs(
    value = {OS.LINUX, OS.WINDOWS},
    architectures = "amd64")
class PtxTest {
  private static final Path RESOURCES = Path.of("src/main/resources/dev/theriac/cuda");

  /** The oldest card and the youngest that this compiler knows, of each file that there is. */
  static List<Arguments> targets() {
    List<Arguments> all = new ArrayList<>();
    all.add(Arguments.of("kernels.ptx", "sm_80"));
    all.add(Arguments.of("kernels.ptx", "sm_90"));
    if (Files.exists(RESOURCES.resolve("kernels_sm90a.ptx"))) {
      all.add(Arguments.of("kernels_sm90a.ptx", "sm_90a"));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("targets")
  void theOldestDriverCompilesIt(String file, String target) throws Exception {
    Path ptx = RESOURCES.resolve(file);
    JCudaNatives.prepare("JNvPTXCompiler");
    byte[] text = Files.readAllBytes(ptx);
    var handle = new nvPTXCompilerHandle();
    assertThat(JNvPTXCompiler.nvPTXCompilerCreate(handle, text.length, text)).isZero();
    try {
      int code =
          JNvPTXCompiler.nvPTXCompilerCompile(handle, 1, new String[] {"--gpu-name=" + target});
      assertThat(code).as(() -> errors(handle)).isZero();
      long[] size = new long[1];
      assertThat(JNvPTXCompiler.nvPTXCompilerGetCompiledProgramSize(handle, size)).isZero();
      assertThat(size[0]).isPositive();
    } finally {
      JNvPTXCompiler.nvPTXCompilerDestroy(handle);
    }
  }

  private static String errors(nvPTXCompilerHandle handle) {
    long[] size = new long[1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(handle, size);
    byte[] log = new byte[(int) size[0] + 1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLog(handle, log);
    return new String(log, StandardCharsets.UTF_8).trim();
  }

  /** What CU_EXPORT names for the host is an entry of the device code, and the other way round. */
  @Test
  void bothCompilersHaveTheSameKernels() throws Throwable {
    Path library =
        Path.of(System.getProperty("theriac.cuda.emulator", "target/emu"))
            .resolve("libkernels_host.so")
            .toAbsolutePath();
    assumeTrue(Files.exists(library), "the kernels were not compiled for the host");
    Set<String> entries = new TreeSet<>();
    for (String file : new String[] {"kernels.ptx", "kernels_sm90a.ptx"}) {
      if (!Files.exists(RESOURCES.resolve(file))) continue;
      entries.addAll(new PtxSignatures(Files.readString(RESOURCES.resolve(file))).names());
    }
    assertThat(entries).isEqualTo(exported(library));
  }

  private static Set<String> exported(Path library) throws Throwable {
    int capacity = 4096;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment names = arena.allocate(ValueLayout.ADDRESS, capacity);
      var list =
          Linker.nativeLinker()
              .downcallHandle(
                  SymbolLookup.libraryLookup(library, Arena.global()).findOrThrow("cuhost_kernels"),
                  FunctionDescriptor.of(
                      ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
      int count = (int) list.invokeExact(names, capacity);
      Set<String> found = new TreeSet<>();
      for (int i = 0; i < count; i++) {
        found.add(
            names.getAtIndex(ValueLayout.ADDRESS, i).reinterpret(Long.MAX_VALUE).getString(0));
      }
      return found;
    }
  }
}
