package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Digests of what the back ends of a kit compute, here and in a JVM of its own. */
final class Fingerprint {
  private static final long SECONDS = 120;

  private Fingerprint() {}

  /** One line for each CPU back end: name, digests of outputs and all gradients, ids. */
  static List<String> of(KitBackends kit) {
    MixtureCase c = MixtureCase.random(Form.swiglu(48, 40, 6), 60, 2);
    List<String> lines = new ArrayList<>();
    for (Backend backend : kit.backends()) {
      if (!backend.device().equals(Device.CPU)) continue;
      try (Scope _ = Scope.open()) {
        List<float[]> results = Backends.with(backend, () -> c.run().floats());
        LayerCase.Run run = Backends.with(backend, () -> DeterminismKit.layer().run(null, null));
        List<float[]> layer = run.all().stream().map(Tensor::toFloats).toList();
        String ids = Arrays.toString(run.routing().experts().toLongs());
        lines.add("%s %s %s %s".formatted(backend.name(), digest(results), digest(layer), ids));
      }
    }
    return lines;
  }

  private static String digest(List<float[]> results) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      for (float[] values : results) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
        bytes.asFloatBuffer().put(values);
        sha.update(bytes);
      }
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * {@link #of} in a new JVM with this one's flags and class path, which makes the kit's class, or
   * that of each back end where the kit is a lambda, by its constructor without parameters.
   */
  static List<String> inAnotherJvm(KitBackends kit) {
    try {
      Path out = Files.createTempFile("theriac-fingerprint", ".txt");
      Path log = Files.createTempFile("theriac-fingerprint", ".log");
      try {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        for (String flag : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
          boolean module = flag.startsWith("--add-") || flag.startsWith("--enable-");
          if (module || flag.startsWith("-Dtheriac.")) command.add(flag);
        }
        command.add("-classpath");
        command.add(System.getProperty("java.class.path"));
        command.add(Fingerprint.class.getName());
        command.add(out.toString());
        command.addAll(names(kit));
        Process process =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        boolean ended = process.waitFor(SECONDS, TimeUnit.SECONDS);
        process.destroyForcibly();
        if (!ended || process.exitValue() != 0) {
          throw new AssertionError(
              "another JVM %s: %s"
                  .formatted(
                      ended ? "failed" : "did not end within %d seconds".formatted(SECONDS),
                      Files.readString(log)));
        }
        return Files.readAllLines(out);
      } finally {
        Files.deleteIfExists(out);
        Files.deleteIfExists(log);
      }
    } catch (IOException e) {
      throw new AssertionError("another JVM failed: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for another JVM", e);
    }
  }

  private static List<String> names(KitBackends kit) {
    if (!kit.getClass().isHidden()) return List.of("kit", kit.getClass().getName());
    List<String> names = new ArrayList<>(List.of("backends"));
    for (Backend backend : kit.backends()) {
      if (backend == Backends.scalar()) names.add("scalar");
      else if (backend == Backends.cpu().backend()) names.add("cpu");
      else names.add(backend.getClass().getName());
    }
    return names;
  }

  /** Writes to the file {@code args[0]} the fingerprint of what the other arguments name. */
  public static void main(String[] args) throws ReflectiveOperationException, IOException {
    KitBackends kit;
    if (args[1].equals("kit")) {
      kit = (KitBackends) make(args[2]);
    } else {
      List<Backend> backends = new ArrayList<>();
      for (int i = 2; i < args.length; i++) backends.add(backend(args[i]));
      kit = () -> backends;
    }
    Files.write(Path.of(args[0]), of(kit));
  }

  private static Backend backend(String name) throws ReflectiveOperationException {
    return switch (name) {
      case "scalar" -> Backends.scalar();
      case "cpu" -> Backends.cpu().backend();
      default -> (Backend) make(name);
    };
  }

  private static Object make(String name) throws ReflectiveOperationException {
    Constructor<?> constructor = Class.forName(name).getDeclaredConstructor();
    constructor.setAccessible(true);
    return constructor.newInstance();
  }
}
