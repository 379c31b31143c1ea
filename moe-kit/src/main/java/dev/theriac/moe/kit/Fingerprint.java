package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** Digests of what the back ends of a kit compute, here and in a JVM of its own. */
final class Fingerprint {
  private Fingerprint() {}

  /** One line for each CPU back end: name and digest of an output and all gradients. */
  static List<String> of(KitBackends kit) {
    MixtureCase c = MixtureCase.random(Form.swiglu(48, 40, 6), 60, 2);
    List<String> lines = new ArrayList<>();
    for (Backend backend : kit.backends()) {
      if (!backend.device().equals(Device.CPU)) continue;
      try (Scope _ = Scope.open()) {
        List<float[]> results = Backends.with(backend, () -> c.run().floats());
        lines.add(backend.name() + " " + digest(results));
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
   * {@link #of} in a new JVM with this one's flags and class path, which makes the kit's class by
   * its constructor without parameters.
   */
  static List<String> inAnotherJvm(Class<?> kit) {
    try {
      Path out = Files.createTempFile("theriac-fingerprint", ".txt");
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
        command.add(kit.getName());
        command.add(out.toString());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) throw new AssertionError("another JVM failed: " + said);
        return Files.readAllLines(out);
      } finally {
        Files.deleteIfExists(out);
      }
    } catch (IOException e) {
      throw new AssertionError("another JVM failed: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for another JVM", e);
    }
  }

  /** Writes the fingerprint of the kit whose class is named to a file. */
  public static void main(String[] args) throws ReflectiveOperationException, IOException {
    Constructor<?> constructor = Class.forName(args[0]).getDeclaredConstructor();
    constructor.setAccessible(true);
    Files.write(Path.of(args[1]), of((KitBackends) constructor.newInstance()));
  }
}
