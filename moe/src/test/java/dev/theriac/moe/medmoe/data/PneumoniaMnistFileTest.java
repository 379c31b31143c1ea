package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.io.FileException;
import dev.theriac.moe.medmoe.data.PneumoniaMnist.Split;
import dev.theriac.vision.image.Image;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PneumoniaMnistFileTest {
  @TempDir Path folder;

  /** A byte array as NumPy saves it. */
  private static byte[] npy(String shape, int... values) throws IOException {
    String header = "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }".formatted(shape);
    String padded = header + " ".repeat(63 - (10 + header.length()) % 64) + "\n";
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    out.write(padded.length());
    out.write(padded.length() >> 8);
    out.write(padded.getBytes(StandardCharsets.US_ASCII));
    for (int value : values) {
      out.write(value);
    }
    return out.toByteArray();
  }

  private Path npz(byte[] images, byte[] labels) throws IOException {
    Path file = folder.resolve("data.npz");
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      zip.putNextEntry(new ZipEntry("val_images.npy"));
      zip.write(images);
      zip.putNextEntry(new ZipEntry("val_labels.npy"));
      zip.write(labels);
    }
    return file;
  }

  @Test
  void readsASplit() throws IOException {
    Path file = npz(npy("2, 1, 3", 1, 2, 3, 4, 5, 255), npy("2, 1", 1, 0));
    PneumoniaMnist data = PneumoniaMnist.read(file, Split.VAL);
    assertThat(data.size()).isEqualTo(2);
    assertThat(data.pneumonia(0)).isTrue();
    assertThat(data.pneumonia(1)).isFalse();
    assertThat(data.image(1)).isEqualTo(Image.of8(3, 1, 1, new byte[] {4, 5, (byte) 255}));
    assertThatThrownBy(() -> PneumoniaMnist.read(file, Split.TEST))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("test_images");
  }

  @Test
  void namesTheArrayThatDoesNotFit() throws IOException {
    Path flat = npz(npy("6", 1, 2, 3, 4, 5, 6), npy("2, 1", 1, 0));
    assertThatThrownBy(() -> PneumoniaMnist.read(flat, Split.VAL))
        .isInstanceOf(DataException.class)
        .hasMessageContainingAll("data.npz", "val_images", "[6]", "[n, height, width]");
    Path fewer = npz(npy("2, 1, 3", 1, 2, 3, 4, 5, 6), npy("1, 1", 1));
    assertThatThrownBy(() -> PneumoniaMnist.read(fewer, Split.VAL))
        .hasMessageContainingAll("val_labels", "[1, 1]", "[2, 1]");
  }

  @ParameterizedTest
  @CsvSource({"TRAIN, 4708, 3494", "VAL, 524, 389", "TEST, 624, 390"})
  void readsThePublishedFile(Split split, int size, long pneumonia) {
    Path file = shared("pneumoniamnist.npz");
    assumeTrue(file != null, "SKIPPED: no ../shared/data/pneumoniamnist.npz beside the project");
    PneumoniaMnist data = PneumoniaMnist.read(file, split);
    assertThat(data.size()).isEqualTo(size);
    assertThat(IntStream.range(0, size).filter(data::pneumonia).count()).isEqualTo(pneumonia);
    assertThat(data.image(size - 1).width()).isEqualTo(28);
    assertThat(data.evaluation().size()).isEqualTo(size);
  }

  /** In {@code theriac.data}, or shared/data beside the project or above it; null when absent. */
  private static Path shared(String name) {
    String set = System.getProperty("theriac.data");
    if (set != null) {
      return Path.of(set, name);
    }
    for (Path up = Path.of("").toAbsolutePath(); up != null; up = up.getParent()) {
      Path file = up.resolve("shared/data").resolve(name);
      if (Files.exists(file)) {
        return file;
      }
    }
    return null;
  }

  @Test
  void loadsPicturesAndNamesWhatIsWrong() throws IOException {
    Image image = Image.of8(1, 1, 1, new byte[] {7});
    assertThat(new ImageSource.InMemory(image).load()).isSameAs(image);
    Path gone = folder.resolve("gone.png");
    assertThatThrownBy(() -> new ImageSource.File(gone).load())
        .isInstanceOf(DataException.class)
        .hasMessageContaining(gone.toString());
    Path broken = Files.write(folder.resolve("broken.png"), new byte[] {1, 2, 3});
    assertThatThrownBy(() -> new ImageSource.File(broken).load())
        .isInstanceOf(DataException.class)
        .hasMessageContaining(broken.toString());
    assertThatThrownBy(ImageSource.NONE::load).hasMessageContaining("no picture");
  }
}
