package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that are not what they claim: each is refused with the file, the key and the reason. */
class SafeTensorsMalformedTest {
  @TempDir Path dir;

  static Stream<Arguments> headers() {
    String two = "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'b':%s}";
    return Stream.of(
        arguments("", 0, "header of 0 bytes"),
        arguments("[]", 0, "header is not a JSON object"),
        arguments("{'a':", 0, "not valid JSON: ends too early"),
        arguments("{'a':1}x", 0, "text after the end"),
        arguments("{'a':1,}", 0, "expected a key"),
        arguments("{'a':[01]}", 0, "leading zero"),
        arguments("{'a':'\\x'}", 0, "unknown escape"),
        arguments("{'a':'\\u12g4'}", 0, "bad \\u escape"),
        arguments("{'a\\ud83d':1}", 0, "half of a surrogate pair (\\ud83d)"),
        arguments("{'\\ude00\\ud83d':1}", 0, "half of a surrogate pair (\\ude00)"),
        arguments("{'__metadata__':{'a':'\\ud83dx'}}", 0, "half of a surrogate pair (\\ud83d)"),
        arguments("{'a\\ud83d\\ude00':1}", 0, "\"a\ud83d\ude00\" is not a JSON object"),
        arguments("{'a':" + "[".repeat(40), 0, "nested deeper"),
        arguments("{'a':1}", 0, "\"a\" is not a JSON object"),
        arguments("{'a':{},'a':{}}", 0, "\"a\" appears twice"),
        arguments(
            "{'a':{'dtype':'F32','dtype':'F32','shape':[2],'data_offsets':[0,8]}}",
            8,
            "\"dtype\" appears twice"),
        arguments("{'a':{'dtype':'F32','shape':[2]}}", 8, "\"a\": data_offsets is missing"),
        arguments("{'a':{'dtype':'F32','data_offsets':[0,8]}}", 8, "\"a\": shape is missing"),
        arguments("{'a':{'shape':[2],'data_offsets':[0,8]}}", 8, "\"a\": unknown dtype null"),
        arguments(entry("F33", "[2]", "[0,8]"), 8, "\"a\": unknown dtype F33"),
        arguments(entry("F32", "[2],'x':1", "[0,8]"), 8, "\"a\": unknown field \"x\""),
        arguments(entry("F32", "[-2]", "[0,8]"), 8, "\"a\": shape [-2]: -2 is not a size"),
        arguments(entry("F32", "[2.0]", "[0,8]"), 8, "\"a\": shape [2.0]: 2.0 is not a size"),
        arguments(entry("F32", "['2']", "[0,8]"), 8, "is not a size"),
        arguments(entry("F32", "2", "[0,8]"), 8, "\"a\": shape is missing or not a list"),
        arguments(
            entry("F32", "[4294967296,4294967296]", "[0,0]"), 0, "\"a\": shape [4294967296, 42"),
        arguments(entry("F32", "[0,4294967296,4294967296]", "[0,0]"), 0, "overflows 64 bits"),
        arguments(entry("F32", "[18446744073709551616]", "[0,8]"), 8, "is not a size"),
        arguments(
            entry("U8", "[1" + ",1".repeat(64) + "]", "[0,1]"), 1, "65 dimensions, at most 64"),
        arguments(entry("F32", "[2]", "[0,7]"), 7, "F32[2] needs 8 bytes, data_offsets [0, 7]"),
        arguments(entry("BF16", "[2]", "[0,8]"), 8, "BF16[2] needs 4 bytes"),
        arguments(entry("F32", "[2]", "[8,0]"), 8, "not a begin and an end"),
        arguments(entry("F32", "[2]", "[0,8,9]"), 8, "not a begin and an end"),
        arguments(entry("F32", "[2]", "[-8,0]"), 8, "is not a size"),
        arguments(
            entry("F32", "[2]", "[9223372036854775799,9223372036854775807]"), 8, "beyond 2^63"),
        arguments(entry("F6_E2M3", "[3]", "[0,2]"), 2, "F6_E2M3[3] has 18 bits"),
        arguments(entry("F32", "[2]", "[0,8]"), 7, "truncated: tensor \"a\" ends"),
        arguments(entry("F32", "[2]", "[0,8]"), 9, "1 bytes follow the last tensor"),
        arguments(entry("F32", "[2]", "[8,16]"), 16, "\"a\" begins at byte 8", "a hole"),
        arguments(
            two.formatted("{'dtype':'U8','shape':[4],'data_offsets':[4,8]}"),
            8,
            "\"b\" begins at byte 4",
            "they overlap"),
        arguments(two.formatted("{'dtype':'U8','shape':[4],'data_offsets':[12,16]}"), 16, "a hole"),
        arguments("{'__metadata__':{'a':1}}", 0, "__metadata__: the value of \"a\" is not a"),
        arguments("{'__metadata__':'a'}", 0, "__metadata__ is not a JSON object"));
  }

  private static String entry(String dtype, String shape, String offsets) {
    return "{'a':{'dtype':'%s','shape':%s,'data_offsets':%s}}".formatted(dtype, shape, offsets);
  }

  private static Arguments arguments(String header, int dataBytes, String... messages) {
    return Arguments.of(header, dataBytes, messages);
  }

  @ParameterizedTest
  @MethodSource("headers")
  void isRefused(String header, int dataBytes, String[] messages) throws IOException {
    Path file = write(header.replace('\'', '"').getBytes(StandardCharsets.UTF_8), dataBytes);
    assertThatThrownBy(() -> SafeTensors.open(file))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContainingAll(messages);
  }

  private Path write(byte[] header, int dataBytes) throws IOException {
    ByteBuffer out =
        ByteBuffer.allocate(8 + header.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(header.length).put(header);
    Path file = dir.resolve("bad.safetensors");
    Files.write(file, out.array());
    return file;
  }

  @Test
  void headerLengthsAreBounded() throws IOException {
    for (long length : new long[] {100_000_001, Long.MAX_VALUE, -1, Long.MIN_VALUE, 1}) {
      Path file = dir.resolve("length.safetensors");
      ByteBuffer out = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      Files.write(file, out.array());
      assertThatThrownBy(() -> SafeTensors.open(file))
          .isInstanceOf(FileException.class)
          .hasMessageContainingAll("length.safetensors", Long.toUnsignedString(length));
    }
  }

  @Test
  void aFileCutAnywhereIsRefused() throws IOException {
    byte[] whole = Files.readAllBytes(Fixtures.file("reference.safetensors"));
    Path file = dir.resolve("cut.safetensors");
    for (int length = 0; length < whole.length; length += length < 16 ? 1 : 13) {
      Files.write(file, java.util.Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> SafeTensors.open(file))
          .isInstanceOf(FileException.class)
          .hasMessageContaining("cut.safetensors");
    }
  }

  @Test
  void invalidUtf8IsRefused() throws IOException {
    Path file = write(new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'}, 0);
    assertThatThrownBy(() -> SafeTensors.open(file)).hasMessageContaining("not UTF-8");
  }

  @Test
  void typesWithoutArithmeticAreNamedWhenAsked() throws IOException {
    String header =
        """
        {"a":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},
        "c":{"dtype":"C64","shape":[0],"data_offsets":[8,8]},
        "f4":{"dtype":"F4","shape":[2],"data_offsets":[8,9]},
        "f8":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[9,10]},
        "b":{"dtype":"U8","shape":[1],"data_offsets":[10,11]}}\
        """;
    SafeTensors file = SafeTensors.open(write(header.getBytes(StandardCharsets.UTF_8), 11));
    assertThat(file.get("b").toLongs()).containsExactly(0);
    for (String key : new String[] {"a", "c", "f4", "f8"}) {
      assertThatThrownBy(() -> file.get(key))
          .isInstanceOf(FileException.class)
          .hasMessageContainingAll("\"" + key + "\"", file.entry(key).describe());
    }
  }
}
