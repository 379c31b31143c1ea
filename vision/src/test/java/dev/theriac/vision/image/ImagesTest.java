package dev.theriac.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImagesTest {

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"bit.png", "palette.png", "rgba.png", "grey-alpha.png"})
  void losslessFilesEqualPillowsConversion(String name) {
    Image expected = Fixtures.image("expect-" + name.replace('.', '-') + ".png");
    assertThat(Fixtures.image(name).toRgb8()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"rgb-420.jpg", "rgb-444-progressive.jpg", "grey.jpg"})
  void jpegFilesAreWithinTwoStepsOfPillow(String name) {
    // The inverse transform and the colour conversion may round differently.
    Image expected = Fixtures.image("expect-" + name.replace('.', '-') + ".png");
    assertThat(largestDifference(Fixtures.image(name).toRgb8(), expected)).isLessThanOrEqualTo(2);
  }

  @Test
  void tiffEqualsPng() {
    assertThat(Fixtures.image("rgb.tif")).isEqualTo(Fixtures.image("rgb.png"));
  }

  @Test
  void cmykJpegBecomesRgb() {
    Image image = Fixtures.image("cmyk.jpg");
    assertThat(image.channels()).isEqualTo(3);
    assertThat(largestDifference(image, Fixtures.image("rgb.png"))).isLessThan(60);
    assertThat(meanDifference(image, Fixtures.image("rgb.png"))).isLessThan(8);
  }

  @ParameterizedTest
  @ValueSource(strings = {"grey16.png", "grey16.tif"})
  void sixteenBitsAreKept(String name) {
    Image image = Fixtures.image(name);
    assertThat(image.toString()).isEqualTo("Image[33 x 17, grey, 16 bit]");
    Image rgb = image.toRgb8();
    for (int i = 0; i < 33 * 17; i++) {
      int value = i * 117 % 65536;
      assertThat(image.sample(i % 33, i / 33, 0)).isEqualTo(value);
      assertThat(rgb.sample(i % 33, i / 33, 2)).isEqualTo((int) Math.round(value / 257.0));
    }
  }

  @Test
  void writtenPngFilesReadBackTheSame() throws IOException {
    short[] wide = new short[7 * 3 * 3];
    byte[] narrow = new byte[wide.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = (short) (i * 1041);
      narrow[i] = (byte) (i * 37);
    }
    for (Image image :
        new Image[] {
          Image.of8(7, 3, 3, narrow),
          Image.of16(7, 3, 3, wide),
          Image.of8(9, 7, 1, narrow),
          Image.of16(21, 3, 1, wide),
          Image.of8(1, 1, 1, new byte[1])
        }) {
      Path file = folder.resolve("x.png");
      Images.writePng(image, file);
      assertThat(Images.read(file)).isEqualTo(image);
    }
  }

  @Test
  void missingEmptyAndOtherFilesAreNamedWithARemedy() throws IOException {
    Path missing = folder.resolve("nowhere.png");
    assertThatThrownBy(() -> Images.read(missing))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("nowhere.png")
        .hasMessageContaining("check the path");
    assertThatThrownBy(() -> Images.read(folder))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(folder.toString())
        .hasMessageContaining("is a directory");
    assertError("empty.png", new byte[0], "the file is empty");
    assertError("text.png", "not a picture".getBytes(), "not a PNG, JPEG or TIFF file");
    assertError("short.jpg", new byte[] {(byte) 0xFF}, "not a PNG, JPEG or TIFF file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "rgb.png",
        "grey16.png",
        "palette.png",
        "rgb-420.jpg",
        "rgb-444-progressive.jpg",
        "cmyk.jpg",
        "rgb.tif",
        "grey16.tif"
      })
  void truncatedFilesAreErrorsThatNameTheFile(String name) throws IOException {
    byte[] whole = Fixtures.bytes(name);
    for (int eighth = 1; eighth < 8; eighth++) {
      byte[] cut = Arrays.copyOf(whole, whole.length * eighth / 8);
      assertError(name, cut, "truncated");
    }
  }

  @Test
  void aJpegWithAThumbnailMustEndItself() throws IOException {
    byte[] jpeg = Fixtures.bytes("rgb-420.jpg");
    // An APP1 segment that holds a whole small JPEG, end marker included.
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.write(jpeg, 0, 2);
    byte[] inner = Fixtures.bytes("grey.jpg");
    file.write(new byte[] {(byte) 0xFF, (byte) 0xE1});
    file.write(new byte[] {(byte) ((inner.length + 2) >> 8), (byte) (inner.length + 2)});
    file.write(inner);
    file.write(jpeg, 2, jpeg.length - 2);
    assertThat(Images.decode(file.toByteArray(), "x.jpg")).isEqualTo(Fixtures.image("rgb-420.jpg"));
    assertError("x.jpg", Arrays.copyOf(file.toByteArray(), file.size() - 2), "truncated");
  }

  @Test
  void hugeAndZeroSizesAreRefusedBeforeDecoding() throws IOException {
    assertError("huge.png", withHeaderSize(60_000, 60_000), "60000 x 60000 pixels are more than");
    assertError("zero.png", withHeaderSize(0, 17), "damaged or truncated PNG");
  }

  /** rgb.png with other sizes in its header. */
  private static byte[] withHeaderSize(int width, int height) {
    byte[] png = Fixtures.bytes("rgb.png");
    ByteBuffer buffer = ByteBuffer.wrap(png);
    buffer.putInt(16, width).putInt(20, height);
    CRC32 crc = new CRC32();
    crc.update(png, 12, 17);
    buffer.putInt(29, (int) crc.getValue());
    return png;
  }

  @Test
  void damagedBytesAreErrorsOrPicturesButNeverAnythingElse() {
    java.util.SplittableRandom random = new java.util.SplittableRandom(1);
    for (String name :
        new String[] {"rgb.png", "rgb-420.jpg", "cmyk.jpg", "rgb.tif", "grey16.tif"}) {
      byte[] whole = Fixtures.bytes(name);
      for (int round = 0; round < 25; round++) {
        byte[] bytes = whole.clone();
        for (int i = 0; i < 4; i++) {
          bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        try {
          assertThat(Images.decode(bytes, name).width()).isPositive();
        } catch (IOException e) {
          assertThat(e).hasMessageStartingWith(name + ": ");
        }
      }
    }
  }

  @Test
  void unwritablePlacesAreNamed() throws IOException {
    Path nowhere = Files.writeString(folder.resolve("file"), "x").resolve("x.png");
    Image image = Image.of8(1, 1, 1, new byte[1]);
    assertThatThrownBy(() -> Images.writePng(image, nowhere))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(nowhere.toString())
        .hasMessageContaining("cannot be written");
  }

  @Test
  void imagesAreImmutableAndChecked() {
    byte[] samples = {1, 2, 3};
    Image image = Image.of8(1, 1, 3, samples);
    samples[0] = 9;
    image.bytes()[1] = 9;
    assertThat(image.bytes()).containsExactly(1, 2, 3);
    assertThat(image).isEqualTo(Image.of8(1, 1, 3, new byte[] {1, 2, 3}));
    assertThat(image).isNotEqualTo(Image.of8(3, 1, 1, new byte[] {1, 2, 3}));
    assertThatThrownBy(() -> image.sample(1, 0, 0)).hasMessageContaining("x 1, y 0, channel 0");
    assertThatThrownBy(() -> Image.of8(2, 2, 3, samples)).hasMessageContaining("12 samples, got 3");
    assertThatThrownBy(() -> Image.of8(0, 2, 3, samples)).hasMessageContaining("0 x 2");
    assertThatThrownBy(() -> Image.of8(3, 1, 2, samples)).hasMessageContaining("2 channels");
    assertThatThrownBy(() -> Image.of16(1, 1, 1, new short[1]).bytes())
        .hasMessageContaining("toRgb8()");
  }

  private void assertError(String name, byte[] bytes, String message) throws IOException {
    Path file = folder.resolve(name);
    Files.write(file, bytes);
    assertThatThrownBy(() -> Images.read(file))
        .as("%s, %d bytes", name, bytes.length)
        .isInstanceOf(IOException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(message);
  }

  private static int largestDifference(Image a, Image b) {
    byte[] left = a.bytes();
    byte[] right = b.bytes();
    assertThat(left).hasSameSizeAs(right);
    int largest = 0;
    for (int i = 0; i < left.length; i++) {
      largest = Math.max(largest, Math.abs((left[i] & 0xFF) - (right[i] & 0xFF)));
    }
    return largest;
  }

  private static double meanDifference(Image a, Image b) {
    byte[] left = a.bytes();
    byte[] right = b.bytes();
    double sum = 0;
    for (int i = 0; i < left.length; i++) {
      sum += Math.abs((left[i] & 0xFF) - (right[i] & 0xFF));
    }
    return sum / left.length;
  }
}
