package dev.theriac.cuda.device;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import jcuda.JCudaVersion;
import jcuda.LibUtils;

/**
 * Puts JCuda's native libraries where JCuda looks for them. JCuda itself unpacks each into the
 * folder for temporary files under a fixed name, piece by piece, and takes whatever lies there
 * already: two programs that start at once, a full disk or a stranger's file would have it load
 * something else than its library. Here a file that is not the jar's is replaced in one step.
 */
final class JCudaNatives {
  private JCudaNatives() {}

  /**
   * To be called before the first use of the class that loads the library.
   *
   * @param library such as {@code JCudaDriver}
   * @throws UnsatisfiedLinkError if the jar is missing or the file cannot be written; says which
   */
  static void prepare(String library) {
    prepare(library, Path.of(System.getProperty("java.io.tmpdir")));
  }

  /** The name under which JCuda looks for the library here. */
  static String fileName(String library) {
    return LibUtils.createLibraryFileName(
        LibUtils.createPlatformLibraryName(library + "-" + JCudaVersion.get()));
  }

  static void prepare(String library, Path folder) {
    String file = fileName(library);
    String resource = "/lib/" + file;
    Path target = folder.resolve(file);
    try {
      if (LibUtils.class.getResource(resource) == null) {
        throw new UnsatisfiedLinkError(
            "no %s on the class path; add the jar with the natives of JCuda for this system"
                .formatted(resource));
      }
      if (same(resource, target)) return;
      Path fresh = Files.createTempFile(folder, file, ".tmp");
      try {
        try (InputStream in = LibUtils.class.getResourceAsStream(resource)) {
          Files.copy(in, fresh, StandardCopyOption.REPLACE_EXISTING);
        }
        Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(fresh);
      }
    } catch (IOException e) {
      UnsatisfiedLinkError error =
          new UnsatisfiedLinkError(
              "%s cannot be written (%s); name a folder of your own with -Djava.io.tmpdir"
                  .formatted(target, e));
      error.initCause(e);
      throw error;
    }
  }

  private static boolean same(String resource, Path target) throws IOException {
    if (!Files.isRegularFile(target)) return false;
    try (InputStream jar = new BufferedInputStream(LibUtils.class.getResourceAsStream(resource));
        InputStream there = new BufferedInputStream(Files.newInputStream(target))) {
      byte[] a = new byte[1 << 16];
      byte[] b = new byte[1 << 16];
      while (true) {
        int n = jar.readNBytes(a, 0, a.length);
        int m = there.readNBytes(b, 0, b.length);
        if (n != m || !Arrays.equals(a, 0, n, b, 0, m)) return false;
        if (n < a.length) return true;
      }
    }
  }
}
