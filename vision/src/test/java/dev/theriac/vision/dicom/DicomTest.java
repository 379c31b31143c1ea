package dev.theriac.vision.dicom;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.theriac.io.FileException;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Against pydicom: make_dicom.py beside the fixtures says how. */
class DicomTest {
  @TempDir Path dir;

  private static Path file(String name) {
    try {
      return Path.of(DicomTest.class.getResource("/dicom/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] bytes(String name) {
    try {
      return Files.readAllBytes(file(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Stream<String> expected() {
    return new String(bytes("expected.txt"), StandardCharsets.UTF_8)
        .lines()
        .filter(line -> !line.startsWith("#"));
  }

  @ParameterizedTest
  @MethodSource("expected")
  void valuesAndPicturesAreThoseOfPydicom(String line) throws IOException {
    String[] fields = line.split(" ");
    int frame = Integer.parseInt(fields[1]);
    Dicom dicom = Dicom.read(file(fields[0]));
    assertThat(dicom.width()).isEqualTo(13);
    assertThat(dicom.height()).isEqualTo(9);
    if (fields[2].equals("-")) {
      assertThat(dicom.grey()).isFalse();
      assertThatThrownBy(() -> dicom.values(0)).hasMessageContaining("grey frames have them");
    } else {
      ByteBuffer values = ByteBuffer.allocate(13 * 9 * 8).order(ByteOrder.LITTLE_ENDIAN);
      values.asDoubleBuffer().put(dicom.values(frame));
      assertThat(sha256(values.array())).isEqualTo(fields[2]);
    }
    assertThat(sha256(dicom.image(frame).bytes())).isEqualTo(fields[3]);
    if (frame == 0) {
      assertThat(Images.read(file(fields[0]))).isEqualTo(dicom.image(0));
      assertThat(Images.decode(bytes(fields[0]), "x.dcm")).isEqualTo(dicom.image(0));
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void windowsAndFramesCanBeChosen() {
    Dicom dicom = Dicom.read(file("ct-explicit.dcm"));
    assertThat(dicom.windows(0)).isEqualTo(List.of(new Window(40, 401), new Window(300, 1500)));
    assertThat(dicom.image(0, new Window(40, 401))).isEqualTo(dicom.image(0));
    assertThat(dicom.image(0, new Window(300, 1500))).isNotEqualTo(dicom.image(0));
    assertThat(dicom.modality()).isEqualTo("CT");
    assertThat(dicom.toString())
        .isEqualTo("Dicom[CT, 13 x 9, MONOCHROME2, 12 of 16 bits signed, 1 frames]");
    Dicom frames = Dicom.read(file("frames.dcm"));
    assertThat(frames.frames()).isEqualTo(3);
    assertThat(frames.windows(1)).containsExactly(new Window(3000, 4001));
    assertThat(frames.windows(2)).containsExactly(new Window(900, 2001));
    assertThatThrownBy(() -> frames.image(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("frame 3; there are 3, counted from 0");
    assertThatThrownBy(() -> new Window(0, 0.5)).hasMessageContaining("width 0.5");
    assertThatThrownBy(() -> new Window(0, -1, Window.Function.SIGMOID))
        .hasMessageContaining("width -1.0");
  }

  @Test
  void invertedGreysAreTheComplement() {
    byte[] inverted = bytes("cr-monochrome1.dcm");
    Image dark = Dicom.of(inverted, Path.of("x")).image(0);
    byte[] plain = replace(inverted, "MONOCHROME1", "MONOCHROME2");
    Image light = Dicom.of(plain, Path.of("x")).image(0);
    int beside = 0;
    for (int i = 0; i < 13 * 9; i++) {
      int sum = (dark.bytes()[i] & 0xFF) + (light.bytes()[i] & 0xFF);
      beside += Math.abs(sum - 255);
    }
    assertThat(beside).isLessThanOrEqualTo(3);
  }

  private static byte[] replace(byte[] in, String from, String to) {
    assertThat(to).hasSameSizeAs(from);
    String text = new String(in, StandardCharsets.ISO_8859_1);
    assertThat(text).contains(from);
    return text.replace(from, to).getBytes(StandardCharsets.ISO_8859_1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1.2.840.10008.1.2.1|1.2.840.10008.1.2.4.50|transfer syntax 1.2.840.10008.1.2.4.50 (JPEG"
            + " Baseline (Process 1)) is not supported; convert",
        "1.2.840.10008.1.2.1|1.2.840.10008.1.2.4.90|JPEG 2000 Lossless",
        "1.2.840.10008.1.2.1|1.2.840.10008.1.2.4.102|MPEG-4 AVC",
        "1.2.840.10008.1.2.1|1.2.840.9999.1|1.2.840.9999.1 (of no known name)",
      })
  void syntaxesThatAreNotSupportedAreNamed(String from, String to, String said) throws IOException {
    byte[] whole = bytes("ct-explicit.dcm");
    // The UID is odd in length and padded; a longer one moves what follows, which is not reached.
    String text = new String(whole, StandardCharsets.ISO_8859_1);
    int at = text.indexOf("UI", text.indexOf("\u0002\u0000\u0010\u0000UI"));
    int length = to.length() + to.length() % 2;
    String changed =
        text.substring(0, at + 2)
            + (char) length
            + "\u0000"
            + to
            + (to.length() % 2 == 1 ? "\u0000" : "")
            + text.substring(at + 4 + from.length() + from.length() % 2);
    assertError(changed.getBytes(StandardCharsets.ISO_8859_1), said);
  }

  static Stream<Arguments> damage() {
    return Stream.of(
        arguments("ct-explicit.dcm", "MONOCHROME2", "MONOCHROME7", "is \"MONOCHROME7\"; MONO"),
        arguments(
            "ct-explicit.dcm",
            "40.0\\300.0",
            "40.0\\3x0.0",
            "(0028,1050) is \"40.0\\3x0.0\"; a number"),
        arguments(
            "ct-explicit.dcm", "401.0\\1500.0", "401000000000", "(0028,1051) is 1 widths; 2, one"),
        arguments("cr-monochrome1.dcm", "2001.7", "-001.7", "window: centre 1800.5, width -1.7"),
        arguments("sigmoid.dcm", "SIGMOID", "SIGMUND", "(0028,1056) is \"SIGMUND\"; LINEAR,"),
        arguments("rle.dcm", "IS\2\0002", "IS\2\0003", "2 fragments; one for each of 3 frames"),
        arguments("frames.dcm", "IS\2\0003", "IS\2\0009", "truncated: 9 frames of 13 x 9 pixels"));
  }

  @ParameterizedTest
  @MethodSource("damage")
  void damagedElementsAreNamed(String name, String from, String to, String said)
      throws IOException {
    assertError(replace(bytes(name), from, to), said);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ct-implicit.dcm",
        "ct-explicit.dcm",
        "ct-deflated.dcm",
        "ct-big-endian.dcm",
        "frames.dcm",
        "rle.dcm",
        "rgb-planar.dcm",
        "voi-lut-implicit.dcm"
      })
  void truncatedFilesAreErrors(String name) throws IOException {
    byte[] whole = bytes(name);
    for (int length = 0; length < whole.length - 1; length += 7) {
      assertError(Arrays.copyOf(whole, length), "");
    }
  }

  private void assertError(byte[] bytes, String said) throws IOException {
    Path path = Files.write(dir.resolve("x.dcm"), bytes);
    assertThatThrownBy(
            () -> {
              Dicom dicom = Dicom.read(path);
              for (int i = 0; i < dicom.frames(); i++) dicom.image(i);
            })
        .as("%d bytes", bytes.length)
        .isInstanceOf(FileException.class)
        .hasMessageContaining(path.toString())
        .hasMessageContaining(said);
  }

  @Test
  void otherFilesAndMissingOnesAreNamed() throws IOException {
    assertThatThrownBy(() -> Dicom.read(dir.resolve("none.dcm")))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no such file");
    assertError(new byte[200], "not a DICOM file: no \"DICM\" at byte 128");
    byte[] report =
        replace(
            bytes("ct-explicit.dcm"), "\u00e0\u007f\u0010\u0000OW", "\u00e0\u007f\u0010\u0001OW");
    assertError(report, "holds no picture: no pixel data (7FE0,0010)");
    assertThatThrownBy(() -> Images.decode(Arrays.copyOf(bytes("rgb.dcm"), 700), "x.dcm"))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("x.dcm: ");
  }
}
