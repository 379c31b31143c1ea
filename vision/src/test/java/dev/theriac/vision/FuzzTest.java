package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.io.FileException;
import dev.theriac.vision.dicom.Dicom;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.ImageProcessor;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Damaged pictures, DICOM files, configurations and weights are read or refused with an exception
 * that names the file, soon and within little memory.
 */
class FuzzTest {
  private static final long HEAP = 256L << 20;
  private static final int FILES = Integer.getInteger("theriac.fuzz.files", 80);

  @TempDir Path dir;

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = FuzzTest.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }

  private static void seen(Image image) {
    assertThat(image.width() * image.height()).isPositive();
  }

  private static void assertSomeRefused(Fuzz.Report report) {
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(report.files() / 10);
  }

  /** As the harness wants it: an unchecked exception with the same message. */
  private static void read(Path file) {
    try {
      seen(Images.read(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
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
    assertSomeRefused(
        Fuzz.expecting(UncheckedIOException.class)
            .files(FILES)
            .limits(HEAP, 1 << 20)
            .words("IHDR", "PLTE", "tRNS", "eXIf", "IDAT", "\u00ff\u00c0", "\u00ff\u00c4", "II*\0")
            .run(dir, name, resource("/images/" + name), FuzzTest::read));
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
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(FILES)
            .limits(HEAP, 1 << 20)
            .words(
                "SQ\0\0\u00ff\u00ff\u00ff\u00ff",
                "UN\0\0",
                "\u00fe\u00ff\0\u00e0",
                "OW",
                "MONO",
                "DS")
            .run(
                dir,
                name,
                resource("/dicom/" + name),
                file -> {
                  Dicom dicom = Dicom.read(file);
                  for (int i = 0; i < Math.min(dicom.frames(), 4); i++) seen(dicom.image(i));
                }));
  }

  /** Other damage than above: a DICOM file that is none any more is no picture either. */
  @Test
  void damagedDicomFilesAreReadAsPicturesOrRefused() throws IOException {
    assertSomeRefused(
        Fuzz.expecting(UncheckedIOException.class)
            .files(FILES)
            .seed(6)
            .limits(HEAP, 1 << 20)
            .run(dir, "x.dcm", resource("/dicom/ct-explicit.dcm"), FuzzTest::read));
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip-whole", "clip-projection", "siglip-no-head"})
  void damagedConfigurationsAreReadOrRefused(String name) throws IOException {
    ModelFixtures.copy(name, dir);
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(FILES)
            .words("null", "true", "1e999", "-1", "{", "[", "4294967296", "\"hidden_size\"")
            .run(
                dir,
                "config.json",
                resource("/models/" + name + "/config.json"),
                file -> VisionDirectory.load(dir)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip", "siglip"})
  void damagedWeightsAreReadOrRefused(String name) throws IOException {
    ModelFixtures.copy(name, dir);
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(FILES)
            .words("BF16", "I64", "[24]", "vision_model.", "head.probe")
            .run(
                dir,
                "model.safetensors",
                resource("/models/" + name + "/model.safetensors"),
                file -> VisionDirectory.load(dir)));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void damagedImageProcessorsAreReadOrRefused(int kind) throws IOException {
    String json =
        kind == 1
            ? ImageProcessor.clip().json()
            : """
            {"image_processor_type": "SiglipImageProcessor", "size": [21, 34], "crop_size": 20,
             "do_center_crop": true, "image_mean": 0.5, "image_std": [0.5, 1, 2], "resample": 2}
            """;
    assertSomeRefused(
        Fuzz.expecting(FileException.class)
            .files(2 * FILES)
            .limits(HEAP, 1 << 20)
            .words("null", "false", "1e999", "-1", "{", "[", "4294967296", "\"longest_edge\"")
            .run(
                dir,
                "preprocessor_config.json",
                json.getBytes(StandardCharsets.UTF_8),
                file -> {
                  ImageProcessor processor = ImageProcessor.read(file);
                  seen(processor.pixels(Image.of8(3, 2, 1, new byte[6])));
                }));
  }
}
