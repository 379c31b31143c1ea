package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectPackage;

import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheckTest;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * All tests of this package once more with narrower vectors than this machine prefers, and one
 * check of every kernel, in a JVM of its own, as the width is fixed for its life. The narrowest
 * vectors have a class of their own, {@link VectorNarrowestTest}, and so has a JVM without the
 * large kernels, {@link VectorSmallKernelsTest}: classes run at the same time.
 */
@Tag(VectorWidthsTest.ONE_WIDTH)
class VectorWidthsTest {
  /** On test classes that start JVMs of their own, or for which the width does not matter. */
  static final String ONE_WIDTH = "one-width";

  @Test
  void everyTestPassesWithVectorsOf256BitsToo() throws IOException, InterruptedException {
    assertThat(run(Lanes.BITS_PROPERTY + "=256")).contains("vector-256 passes");
  }

  /** What the tests print in a JVM with this property. */
  static String run(String property) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-Dtheriac.memory.poison=true",
                "-D" + property,
                "-cp",
                System.getProperty("java.class.path"),
                VectorWidthsTest.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  /** Runs in the other JVM; a failed test ends it with another status than 0. */
  public static void main(String[] args) {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(
                selectPackage(VectorWidthsTest.class.getPackageName()),
                selectClass(KernelCheckTest.class))
            .filters(TagFilter.excludeTags(ONE_WIDTH))
            .build();
    SummaryGeneratingListener listener = new SummaryGeneratingListener();
    LauncherFactory.create().execute(request, listener);
    TestExecutionSummary summary = listener.getSummary();
    PrintWriter out = new PrintWriter(System.out, true);
    summary.printFailuresTo(out, 12);
    // Most of the families would be missing, not a single case.
    if (summary.getTotalFailureCount() > 0 || summary.getTestsSucceededCount() < 300) {
      summary.printTo(out);
      System.exit(1);
    }
    out.println(Backends.cpu().backend().name() + " passes " + summary.getTestsSucceededCount());
    System.exit(0);
  }
}
