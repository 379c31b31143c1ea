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

  @ParameterizedTest
  @ValueSource(strings = {"cmyk.jpg", "ycck.jpg", "cmyk-plain.jpg", "cmyk.tif"})
  void fourInksBecomeTheRgbOfPillow(String name) {
    Image image = Fixtures.image(name);
    Image expected = Fixtures.image("expect-" + name.replace('.', '-') + ".png");
    // Three roundings of a decoder for each ink, and black's on top.
    assertThat(largestDifference(image, expected)).isLessThanOrEqualTo(name.endsWith("f") ? 0 : 3);
  }

  @ParameterizedTest
  @ValueSource(strings = {"held-6.png", "held-6.jpg", "held-8.tif", "held-xmp-3.jpg"})
  void picturesAreTurnedUpright(String name) {
    Image expected = Fixtures.image("expect-" + name.replace('.', '-') + ".png");
    Image image = Fixtures.image(name).toRgb8();
    assertThat(image.toString()).isEqualTo(expected.toString());
    assertThat(largestDifference(image, expected))
        .isLessThanOrEqualTo(name.endsWith("jpg") ? 2 : 0);
  }

  @Test
  void everyOrientationEqualsPillows() throws IOException {
    for (String line :
        new String(Fixtures.bytes("orientations.txt"), java.nio.charset.StandardCharsets.UTF_8)
            .lines()
            .filter(l -> !l.startsWith("#"))
            .toList()) {
      String[] fields = line.split(" ");
      int value = Integer.parseInt(fields[1]);
      for (boolean little : new boolean[] {true, false}) {
        byte[] png = withOrientation(Fixtures.bytes(fields[0]), value, little);
        Image image = Images.decode(png, fields[0]);
        assertThat(image.width()).as(line).isEqualTo(Integer.parseInt(fields[2]));
        assertThat(image.height()).as(line).isEqualTo(Integer.parseInt(fields[3]));
        assertThat(PreprocessTest.sha256(samples(image))).as(line).isEqualTo(fields[4]);
      }
    }
    for (int wrong : new int[] {0, 9, 65535}) {
      byte[] png = withOrientation(Fixtures.bytes("rgb.png"), wrong, true);
      assertThat(Images.decode(png, "x.png")).isEqualTo(Fixtures.image("rgb.png"));
    }
  }

  /** As NumPy lays them out. */
  private static byte[] samples(Image image) {
    if (image.bitDepth() == 8) return image.bytes();
    ByteBuffer out = ByteBuffer.allocate(image.width() * image.height() * image.channels() * 2);
    out.order(java.nio.ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; out.hasRemaining(); i++) {
      int pixel = i / image.channels();
      out.putShort(
          (short) image.sample(pixel % image.width(), pixel / image.width(), i % image.channels()));
    }
    return out.array();
  }

  /** The file with an eXIf chunk after its header. */
  private static byte[] withOrientation(byte[] png, int value, boolean little) {
    ByteBuffer chunk = ByteBuffer.allocate(12 + 26);
    chunk.putInt(26).put("eXIf".getBytes());
    chunk.order(little ? java.nio.ByteOrder.LITTLE_ENDIAN : java.nio.ByteOrder.BIG_ENDIAN);
    chunk.put(little ? "II".getBytes() : "MM".getBytes()).putShort((short) 42).putInt(8);
    chunk.putShort((short) 1).putShort((short) 274).putShort((short) 3).putInt(1);
    chunk.putShort((short) value).putShort((short) 0).putInt(0);
    CRC32 crc = new CRC32();
    crc.update(chunk.array(), 4, 30);
    chunk.order(java.nio.ByteOrder.BIG_ENDIAN).putInt((int) crc.getValue());
    ByteBuffer out = ByteBuffer.allocate(png.length + chunk.capacity());
    return out.put(png, 0, 33).put(chunk.array()).put(png, 33, png.length - 33).array();
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
    assertError("text.png", "not a picture".getBytes(), "not a PNG, JPEG, TIFF or DICOM file");
    assertError("short.jpg", new byte[] {(byte) 0xFF}, "not a PNG, JPEG, TIFF or DICOM file");
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
    assertError("bomb.png", withHeaderSize(11_000, 11_000), "bytes cannot hold 11000 x 11000");
    byte[] jpeg = Fixtures.bytes("rgb-420.jpg");
    for (int at = 0; at < jpeg.length; at++) {
      // The frame header: length 17, 8 bits, height and width.
      if ((jpeg[at] & 0xFF) == 0xFF && (jpeg[at + 1] & 0xFF) == 0xC0) {
        ByteBuffer.wrap(jpeg).putShort(at + 5, (short) 11_000).putShort(at + 7, (short) 11_000);
        break;
      }
    }
    assertError("bomb.jpg", jpeg, "bytes cannot hold 11000 x 11000");
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
}
