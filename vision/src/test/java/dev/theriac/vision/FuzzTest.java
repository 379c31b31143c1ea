package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.FileException;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.vision.dicom.Dicom;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.ImageProcessor;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Files with random damage are read or refused with an exception of Theriac that names the file,
 * soon and within little memory.
 */
class FuzzTest {
  private static final long MAX_ALLOCATED = 600L << 20;
  private static final Duration LONGEST = Duration.ofSeconds(20);

  @TempDir Path dir;

  /** What a file is read with. */
  private interface Reader {
    void read(Path file) throws IOException;
  }

  private void fuzz(byte[] good, String name, int files, boolean text, Reader reader)
      throws IOException {
    Rng rng = new Rng(name.hashCode());
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    int refused = 0;
    for (int i = 0; i < files; i++) {
      byte[] bad = damage(good.clone(), rng, text);
      Path file = Files.write(dir.resolve(name), bad);
      String which = "file %d of %s".formatted(i, name);
      long before = threads.getCurrentThreadAllocatedBytes();
      long start = System.nanoTime();
      try (Scope _ = Scope.open()) {
        reader.read(file);
      } catch (IOException | FileException e) {
        refused++;
        assertThat(e).as(which).hasMessageContaining(dir.toString());
      } catch (RuntimeException | Error e) {
        Path kept = Files.write(Path.of("target/fuzz-" + name), bad);
        throw new AssertionError(which + ", kept as " + kept, e);
      }
      assertThat(Duration.ofNanos(System.nanoTime() - start)).as(which).isLessThan(LONGEST);
      assertThat(threads.getCurrentThreadAllocatedBytes() - before)
          .as(which)
          .isLessThan(MAX_ALLOCATED);
    }
    assertThat(refused).as("some damage of %s is seen", name).isGreaterThan(files / 20);
  }

  private static byte[] damage(byte[] bytes, Rng rng, boolean text) {
    // Headers matter most, and lie at the start, in TIFF at the end too.
    int window = Math.min(bytes.length, rng.nextInt(3) == 0 ? bytes.length : 400);
    int from = rng.nextInt(4) == 0 ? bytes.length - window : 0;
    if (!text && bytes.length > 132 && bytes[128] == 'D')
      from = Math.min(128, bytes.length - window);
    for (int n = 1 + rng.nextInt(4); n > 0; n--) {
      int at = from + rng.nextInt(window);
      switch (rng.nextInt(text ? 3 : 5)) {
        case 0 -> bytes[at] = bytes[rng.nextInt(bytes.length)];
        case 1 -> bytes[at] = (byte) ("0123456789-[]{},:\"eE.n\\".charAt(rng.nextInt(23)));
        case 2 -> bytes[at] ^= (byte) (1 << rng.nextInt(8));
        case 3 -> bytes[at] = (byte) rng.nextInt(256);
        default -> bytes[at] = (byte) (rng.nextInt(2) == 0 ? 0xFF : 0x7F);
      }
    }
    int length = rng.nextInt(6) == 0 ? rng.nextInt(bytes.length) : bytes.length;
    return Arrays.copyOf(bytes, length);
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = FuzzTest.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "rgb.png",
        "grey16.png",
        "palette.png",
        "held-6.png",
        "rgb-420.jpg",
        "rgb-444-progressive.jpg",
        "grey.jpg",
        "held-6.jpg",
        "ycck.jpg",
        "rgb.tif",
        "grey16.tif",
        "cmyk.tif"
      })
  void damagedPicturesAreReadOrRefused(String name) throws IOException {
    fuzz(resource("/images/" + name), name, 60, false, file -> seen(Images.read(file)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ct-implicit.dcm",
        "ct-explicit.dcm",
        "ct-big-endian.dcm",
        "ct-deflated.dcm",
        "frames.dcm",
        "voi-lut.dcm",
        "modality-lut.dcm",
        "palette.dcm",
        "rgb-planar.dcm",
        "rle.dcm",
        "rle-rgb.dcm"
      })
  void damagedDicomFilesAreReadOrRefused(String name) throws IOException {
    fuzz(
        resource("/dicom/" + name),
        name,
        60,
        false,
        file -> {
          if (file.hashCode() % 2 == 0) seen(Images.read(file));
          Dicom dicom = Dicom.read(file);
          for (int i = 0; i < Math.min(dicom.frames(), 4); i++) seen(dicom.image(i));
        });
  }

  private static void seen(Image image) {
    assertThat(image.width() * image.height()).isPositive();
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip-whole", "clip-projection", "siglip-no-head"})
  void damagedConfigurationsAreReadOrRefused(String name) throws IOException {
    ModelFixtures.copy(name, dir);
    fuzz(
        resource("/models/" + name + "/config.json"),
        "config.json",
        100,
        true,
        file -> Assertions.assertNotNull(VisionDirectory.load(dir)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip", "siglip"})
  void damagedWeightsAreReadOrRefused(String name) throws IOException {
    ModelFixtures.copy(name, dir);
    fuzz(
        resource("/models/" + name + "/model.safetensors"),
        "model.safetensors",
        60,
        false,
        file -> Assertions.assertNotNull(VisionDirectory.load(dir)));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void damagedImageProcessorsAreReadOrRefused(int seed) throws IOException {
    String json =
        seed == 1
            ? ImageProcessor.clip().json()
            : """
            {"image_processor_type": "SiglipImageProcessor", "size": [21, 34], "crop_size": 20,
             "do_center_crop": true, "image_mean": 0.5, "image_std": [0.5, 1, 2], "resample": 2}
            """;
    fuzz(
        json.getBytes(java.nio.charset.StandardCharsets.UTF_8),
        "preprocessor_config.json",
        100,
        true,
        file -> {
          ImageProcessor processor = ImageProcessor.read(file);
          if (processor.normalisation() == null || processor.rgb()) {
            processor.apply(Image.of8(3, 2, 1, new byte[6]));
          }
        });
  }
}
