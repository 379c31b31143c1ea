package dev.theriac.io;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;

/**
 * Replaces a file in one step: readers, and whoever comes after a crash or a full disk, see the
 * whole old file or the whole new one. The new bytes go to a temporary file in the same directory
 * (named {@code .NAME.*.tmp}), reach the disk, and are renamed over the old file. Thread-safe.
 */
public final class AtomicFile {
  private static final int CHUNK = 1 << 24;
  private static final Pattern TEMPORARY = Pattern.compile("\\..+\\.\\d+-\\d+\\.tmp");
  private static final AtomicLong COUNT = new AtomicLong();

  private AtomicFile() {}

  /** Produces the bytes of a file. */
  @FunctionalInterface
  public interface Content {
    void writeTo(Output out) throws IOException;
  }

  /**
   * Writes {@code file}, making its directory if there is none. What exists and is not a regular
   * file (a pipe, a device) is written to directly.
   *
   * @throws FileException when that fails; names the file, the cause and the bytes written, and an
   *     earlier file is intact
   */
  public static void write(Path file, Content content) {
    Path target = resolve(file);
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      if (Files.isDirectory(target)) {
        throw new FileException(file, "cannot be written: it is a directory");
      }
      fill(file, target, content, false);
      return;
    }
    Path directory = target.toAbsolutePath().getParent();
    makeDirectory(file, directory);
    Path temporary = directory.resolve(temporaryName(target));
    try {
      fill(file, temporary, content, true);
      rename(file, temporary, target);
    } finally {
      delete(temporary);
    }
    syncDirectory(directory);
  }

  public static void write(Path file, byte[] bytes) {
    write(file, out -> out.write(bytes));
  }

  /** Writes text as UTF-8. */
  public static void write(Path file, String text) {
    write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Gives an existing file a second name in the same directory, replacing what had that name: a
   * hard link, or a copy where the file system has none.
   */
  public static void link(Path existing, Path file) {
    Path temporary = file.resolveSibling(temporaryName(file));
    try {
      Files.createLink(temporary, existing);
    } catch (IOException | UnsupportedOperationException e) {
      write(
          file,
          out -> {
            try (FileChannel in = FileChannel.open(existing)) {
              out.copy(in);
            }
          });
      return;
    }
    try {
      rename(file, temporary, file);
    } finally {
      // A rename between two names of one file does nothing and leaves both.
      delete(temporary);
    }
    syncDirectory(file.toAbsolutePath().getParent());
  }

  /** True for the name of a temporary file of this class, which a killed process leaves behind. */
  public static boolean isTemporary(Path file) {
    return TEMPORARY.matcher(file.getFileName().toString()).matches();
  }

  /** Makes what was renamed or deleted in {@code directory} survive a power cut. */
  public static void syncDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory)) {
      channel.force(true);
    } catch (IOException e) {
      // Windows opens no directories, and needs none opened.
    }
  }

  private static Path resolve(Path file) {
    try {
      return Files.isSymbolicLink(file) ? file.toRealPath() : file;
    } catch (IOException e) {
      throw new FileException(file, "cannot be written: a symbolic link to nothing", e);
    }
  }

  private static String temporaryName(Path target) {
    return ".%s.%d-%d.tmp"
        .formatted(target.getFileName(), ProcessHandle.current().pid(), COUNT.incrementAndGet());
  }

  private static void makeDirectory(Path file, Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (FileAlreadyExistsException e) {
      throw new FileException(file, "cannot be written: " + e.getFile() + " is not a directory", e);
    } catch (IOException e) {
      throw unwritable(file, directory, e);
    }
  }

  private static void fill(Path file, Path to, Content content, boolean fresh) {
    FileChannel channel;
    try {
      // One left by a killed process of the same id is overwritten.
      channel =
          fresh
              ? FileChannel.open(
                  to,
                  StandardOpenOption.CREATE,
                  StandardOpenOption.TRUNCATE_EXISTING,
                  StandardOpenOption.WRITE)
              : FileChannel.open(to, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw unwritable(file, to.toAbsolutePath().getParent(), e);
    }
    Output out = new Output(channel);
    try (channel) {
      content.writeTo(out);
      if (fresh) channel.force(true);
    } catch (IOException e) {
      throw new FileException(
          file,
          "cannot be written: %s after %d bytes%s; %s"
              .formatted(
                  reason(e),
                  out.position,
                  space(to),
                  fresh
                      ? "an earlier file of that name is intact; free space or choose another"
                          + " directory"
                      : "choose another file"),
          e);
    }
  }

  private static void rename(Path file, Path from, Path to) {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new FileException(
          file, "cannot be replaced: %s; the earlier file is intact".formatted(reason(e)), e);
    }
  }

  private static void delete(Path temporary) {
    try {
      Files.deleteIfExists(temporary);
    } catch (IOException e) {
      // A stray temporary file harms nobody, and the error that led here matters more.
    }
  }

  private static FileException unwritable(Path file, Path directory, IOException e) {
    return new FileException(
        file,
        "cannot be written: directory %s does not accept new files (%s); choose another"
            .formatted(directory, reason(e)),
        e);
  }

  private static String reason(IOException e) {
    if (e instanceof FileSystemException f && f.getReason() != null) return f.getReason();
    if (e instanceof java.nio.file.AccessDeniedException) return "permission denied";
    if (e instanceof FileSystemException) return e.getClass().getSimpleName();
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private static String space(Path path) {
    try {
      return ", %d bytes free".formatted(Files.getFileStore(path).getUsableSpace());
    } catch (IOException e) {
      return "";
    }
  }

  /** Where the bytes go, from the start of the file to its end. */
  public static final class Output {
    private final FileChannel channel;
    private long position;

    private Output(FileChannel channel) {
      this.channel = channel;
    }

    /** Bytes written so far. */
    public long position() {
      return position;
    }

    public void write(byte[] bytes) throws IOException {
      write(ByteBuffer.wrap(bytes));
    }

    public void write(ByteBuffer bytes) throws IOException {
      while (bytes.hasRemaining()) position += channel.write(bytes);
    }

    public void write(MemorySegment bytes) throws IOException {
      for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
        long length = Math.min(CHUNK, bytes.byteSize() - at);
        write(bytes.asSlice(at, length).asByteBuffer());
      }
    }

    /** Replaces bytes written before. */
    void patch(long at, byte[] bytes) throws IOException {
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      while (buffer.hasRemaining()) at += channel.write(buffer, at);
    }

    private void copy(FileChannel in) throws IOException {
      for (long size = in.size(); position < size; ) {
        position += in.transferTo(position, size - position, channel);
      }
    }

    /** The same bytes as a stream; closing it does nothing. */
    public java.io.OutputStream stream() {
      return new java.io.OutputStream() {
        @Override
        public void write(int b) throws IOException {
          Output.this.write(new byte[] {(byte) b});
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
          Output.this.write(ByteBuffer.wrap(bytes, offset, length));
        }
      };
    }
  }
}
