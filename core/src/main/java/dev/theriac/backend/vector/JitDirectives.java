package dev.theriac.backend.vector;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Keeps HotSpot's first compiler (C1) away from the large vector kernels.
 *
 * <p>C1 runs out of virtual registers on a method of many vector calls: sixty are safe, and those
 * of {@link SoftmaxLoops} with up to 94 pass, as the log of compilations shows. A method too large
 * can then be stranded in a slow tier for the life of the JVM, with every vector boxed: a hundred
 * times slower, by a race that only some runs lose. A compiler directive, installed in this process
 * through the diagnostic-command bean, sends the methods from the interpreter straight to C2. Where
 * that is not possible (another JVM, a runtime without {@code jdk.management}, no temporary folder)
 * {@link #LARGE_KERNELS} is false and only kernels that C1 can digest are used.
 */
final class JitDirectives {

  private static final System.Logger LOG = System.getLogger(JitDirectives.class.getName());

  /** Classes whose every method the directive names: there is no state in which one is half in. */
  private static final String[] CLASSES = {
    "GemmTiles",
    "Transposes",
    "AttentionTiles",
    "QuantisedTiles",
    "PackedTiles",
    "FewRows16",
    "FewRows8",
    "FewRows4"
  };

  /** False to leave the compiler alone, as on a JVM that refuses directives. */
  static final String PROPERTY = "theriac.vector.directives";

  /** Why they may not, empty when they may. Set by {@link #install()}, hence above its call. */
  private static String refusal = "";

  /** Whether kernels of more than about sixty vector calls may be used. */
  static final boolean LARGE_KERNELS = install();

  private JitDirectives() {}

  /** Why {@link #LARGE_KERNELS} is false; empty when it is true. */
  static String refusal() {
    return refusal;
  }

  private static boolean install() {
    if ("false".equals(System.getProperty(PROPERTY))) {
      refusal = PROPERTY + "=false";
      return false;
    }
    try {
      Path file = Files.createTempFile("theriac-directives", ".json");
      try {
        Files.writeString(file, directives());
        return invoke(file);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException | ReflectiveOperationException | RuntimeException | LinkageError e) {
      Throwable cause = e instanceof InvocationTargetException i ? i.getCause() : e;
      LOG.log(System.Logger.Level.DEBUG, "compiler directives refused: smaller kernels", cause);
      refusal = "the JVM has no such command (" + cause + ")";
      return false;
    }
  }

  private static String directives() {
    StringBuilder match = new StringBuilder();
    for (String name : CLASSES) {
      match.append(match.isEmpty() ? "" : ", ").append('"');
      match.append(JitDirectives.class.getPackageName().replace('.', '/'));
      match.append('/').append(name).append(".*\"");
    }
    return "[{match: [" + match + "], c1: {Exclude: true}, c2: {}}]";
  }

  /** By reflection, since jdk.management may be missing from a trimmed runtime. */
  private static boolean invoke(Path file) throws ReflectiveOperationException {
    Object server =
        Class.forName("java.lang.management.ManagementFactory")
            .getMethod("getPlatformMBeanServer")
            .invoke(null);
    Class<?> nameType = Class.forName("javax.management.ObjectName");
    Object bean =
        nameType
            .getConstructor(String.class)
            .newInstance("com.sun.management:type=DiagnosticCommand");
    Object answer =
        Class.forName("javax.management.MBeanServer")
            .getMethod("invoke", nameType, String.class, Object[].class, String[].class)
            .invoke(
                server,
                bean,
                "compilerDirectivesAdd",
                new Object[] {new String[] {file.toString()}},
                new String[] {String[].class.getName()});
    boolean added = String.valueOf(answer).contains("added");
    if (!added) {
      LOG.log(System.Logger.Level.DEBUG, "compiler directives refused: {0}", answer);
      refusal = "the JVM answered " + String.valueOf(answer).strip();
    }
    return added;
  }
}
