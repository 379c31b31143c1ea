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
    if ("false".equals(vmOption("UseCompiler"))) return "the JIT compiler is off (-Xint)";
    String tier = vmOption("TieredStopAtLevel");
    if (tier != null && Integer.parseInt(tier) < 4) {
      return "the C2 compiler is off (TieredStopAtLevel=" + tier + ")";
    }
    return null;
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
