package dev.theriac.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PreprocessTest {

  static Stream<String> cases() {
    return new String(Fixtures.bytes("preprocess.txt"), StandardCharsets.UTF_8)
        .lines()
        .filter(line -> !line.startsWith("#"));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void equalsPillowAndNumpyBitForBit(String line) {
    String[] fields = line.split(" ");
    Image image = fields[0].startsWith("tile-") ? tile(fields[0]) : Fixtures.image(fields[0]);
    Preprocessing preprocessing =
        Preprocessing.clip(Integer.parseInt(fields[1]), fields[2].equals("pad"));
    assertThat(sha256(Preprocess.pixels(image, preprocessing).bytes())).isEqualTo(fields[3]);
    float[] floats = Preprocess.apply(image, preprocessing);
    ByteBuffer bytes = ByteBuffer.allocate(floats.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(floats);
    assertThat(sha256(bytes.array())).isEqualTo(fields[4]);
  }

  /** The large pictures of make_fixtures.py: a small one repeated and cut. */
  private static Image tile(String name) {
    String[] sides = name.substring("tile-".length()).split("x");
    int width = Integer.parseInt(sides[0]);
    int height = Integer.parseInt(sides[1]);
    Image small = Fixtures.image("in-37x53.png");
    byte[] samples = new byte[width * height * 3];
    for (int i = 0; i < samples.length; i++) {
      int x = i / 3 % width;
      int y = i / 3 / width;
      samples[i] = (byte) small.sample(x % small.width(), y % small.height(), i % 3);
    }
    return Image.of8(width, height, 3, samples);
  }

  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void resizedPicturesEqualThoseOfPillow() {
    assertSamePixels(
        Preprocess.pixels(Fixtures.image("in-37x53.png"), Preprocessing.clip(32, true)),
        Fixtures.image("out-37x53-32-pad.png"));
    assertSamePixels(
        Preprocess.pixels(Fixtures.image("in-129x17.png"), Preprocessing.clip(28, false)),
        Fixtures.image("out-129x17-28-crop.png"));
  }

  private static void assertSamePixels(Image actual, Image expected) {
    assertThat(actual.toString()).isEqualTo(expected.toString());
    for (int y = 0; y < expected.height(); y++) {
      for (int x = 0; x < expected.width(); x++) {
        for (int c = 0; c < 3; c++) {
          assertThat(actual.sample(x, y, c))
              .as("x %d, y %d, channel %d", x, y, c)
              .isEqualTo(expected.sample(x, y, c));
        }
      }
    }
  }

  @Test
  void knownColoursNormaliseToThePublishedValues() {
    // Black, white, and the padding above and below a wide picture.
    Image black = Image.of8(4, 4, 3, new byte[48]);
    assertPlanes(black, -1.7922625, -1.7520971, -1.4802198);
    byte[] white = new byte[4];
    java.util.Arrays.fill(white, (byte) 255);
    assertPlanes(Image.of8(2, 2, 1, white), 1.9303363, 2.0748838, 2.1458970);
    Image wide = Image.of8(80, 2, 1, new byte[160]);
    assertPlanes(wide, -0.0112545, -0.0111960, -0.0013329);
  }

  /** Looks at the first row only. */
  private static void assertPlanes(Image image, double red, double green, double blue) {
    float[] planes = Preprocess.apply(image, Preprocessing.clip(8, true));
    double[] expected = {red, green, blue};
    for (int c = 0; c < 3; c++) {
      for (int x = 0; x < 8; x++) {
        assertThat((double) planes[c * 64 + x]).isCloseTo(expected[c], within(1e-6));
      }
    }
  }

  @Test
  void sixteenBitGreyIsScaledFirst() {
    short[] samples = new short[9];
    java.util.Arrays.fill(samples, (short) (200 * 257));
    Image pixels = Preprocess.pixels(Image.of16(3, 3, 1, samples), Preprocessing.clip(5, true));
    assertThat(pixels.bytes()).hasSize(75).containsOnly(200);
  }

  @Test
  void extremeShapesNeedNoMemoryForWhatIsCutOff() {
    Image tall = Image.of8(1, 1_000_001, 1, new byte[1_000_001]);
    assertThat(Preprocess.apply(tall, Preprocessing.clip(336, false))).hasSize(3 * 336 * 336);
    assertThatThrownBy(() -> Preprocess.apply(tall, Preprocessing.clip(336, true)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1000001 x 1000001");
  }

  @Test
  void settingsAreCheckedAndCopied() {
    float[] mean = {0.5f, 0.5f, 0.5f};
    Preprocessing preprocessing = new Preprocessing(28, false, mean, new float[] {1, 1, 1});
    mean[0] = 9;
    preprocessing.mean()[1] = 9;
    assertThat(preprocessing.mean()).containsExactly(0.5f, 0.5f, 0.5f);
    assertThat(preprocessing)
        .isEqualTo(
            new Preprocessing(28, true, new float[] {0.5f, 0.5f, 0.5f}, new float[] {1, 1, 1})
                .withPad(false));
    assertThatThrownBy(() -> Preprocessing.clip(0, true)).hasMessageContaining("size 0");
    assertThatThrownBy(() -> new Preprocessing(8, true, new float[2], new float[3]))
        .hasMessageContaining("2 means and 3 deviations");
    assertThatThrownBy(() -> new Preprocessing(8, true, new float[3], new float[3]))
        .hasMessageContaining("a deviation above 0");
    assertThatThrownBy(
            () -> new Preprocessing(8, true, new float[] {0, Float.NaN, 0}, new float[] {1, 1, 1}))
        .hasMessageContaining("a mean is 0 to 1");
  }
}
