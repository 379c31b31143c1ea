package dev.theriac.backend;

/** Whether this JVM runs the Vector API at speed. */
final class VectorSupport {
  private VectorSupport() {}

  /** Why vector kernels would be missing or slower than scalar ones, or null when they are fine. */
  static String missing() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      return "module jdk.incubator.vector is not resolved; start java with"
          + " --add-modules jdk.incubator.vector";
    }
    String jvm = otherJvm(System.getProperty("java.vm.name"));
    if (jvm != null) return jvm;
    if ("false".equals(vmOption("UseCompiler"))) return "the JIT compiler is off (-Xint)";
    String tier = vmOption("TieredStopAtLevel");
    if (tier != null && Integer.parseInt(tier) < 4) {
      return "the C2 compiler is off (TieredStopAtLevel=" + tier + ")";
    }
    String mode = vmOption("CompilationMode");
    if (mode != null && mode.startsWith("quick-only")) {
      return "the C2 compiler is off (CompilationMode=" + mode + ")";
    }
    if ("false".equals(vmOption("EnableVectorSupport"))) {
      return "the compiler treats vectors as objects (-XX:-EnableVectorSupport)";
    }
    return null;
  }

  /** A reason when a JVM of this name has no compiler for vectors, else null. */
  static String otherJvm(String name) {
    // HotSpot, by whoever built it. Elsewhere each vector is an object, hundreds of times slower.
    boolean known = name.contains("HotSpot") || name.contains("OpenJDK");
    return known ? null : "the JVM is not HotSpot (java.vm.name=" + name + ")";
  }

  /** A HotSpot option, or null where this is not HotSpot or jdk.management is not there. */
  private static String vmOption(String name) {
    try {
      Class<?> type = Class.forName("com.sun.management.HotSpotDiagnosticMXBean");
      Object bean =
          Class.forName("java.lang.management.ManagementFactory")
              .getMethod("getPlatformMXBean", Class.class)
              .invoke(null, type);
      Object option = type.getMethod("getVMOption", String.class).invoke(bean, name);
      return (String) option.getClass().getMethod("getValue").invoke(option);
    } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
      return null;
    }
  }
}
