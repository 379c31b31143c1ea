package dev.theriac.vision.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.vision.image.ImageProcessor.Normalisation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Against Pillow and transformers: make_resized.py beside the fixtures says how. */
class ImageProcessorTest {
  @TempDir Path dir;

  private static List<String> lines(String name) {
    return new String(Fixtures.bytes(name), java.nio.charset.StandardCharsets.UTF_8)
        .lines()
        .filter(line -> !line.startsWith("#"))
        .toList();
  }

  /** The picture of make_resized.py. */
  private static Image picture(String mode, String size) {
    int channels = mode.equals("L") ? 1 : 3;
    int width = Integer.parseInt(size.split("x")[0]);
    int height = Integer.parseInt(size.split("x")[1]);
    byte[] samples = new byte[width * height * channels];
    for (int i = 0; i < samples.length; i++) {
      int c = i % channels;
      int x = i / channels % width;
      int y = i / channels / width;
      int edge = (x / 3 + y / 5) % 2 == 0 ? 90 : 0;
      samples[i] = (byte) (x * (7 + c) + y * 13 + x * y % 31 * 5 + edge + 40 * c);
    }
    return Image.of8(width, height, channels, samples);
  }

  @ParameterizedTest
  @EnumSource(Resampling.class)
  void resizingEqualsPillowBitForBit(Resampling kernel) {
    int compared = 0;
    for (String line : lines("resized.txt")) {
      String[] fields = line.split(" ");
      if (!fields[3].equals(kernel.name())) continue;
      String[] to = fields[2].split("x");
      Image out =
          Resample.resize(
              picture(fields[0], fields[1]),
              kernel,
              Integer.parseInt(to[0]),
              Integer.parseInt(to[1]));
      assertThat(PreprocessTest.sha256(out.bytes())).as(line).isEqualTo(fields[4]);
      compared++;
    }
    assertThat(compared).isEqualTo(30);
  }

  static Stream<String> configurations() {
    return lines("processed.txt").stream().map(line -> line.split(" \\| ")[1]).distinct();
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void processingEqualsTransformersBitForBit(String json) throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), json);
    ImageProcessor read = ImageProcessor.read(dir);
    Path again = Files.writeString(dir.resolve("again.json"), read.json());
    assertThat(ImageProcessor.read(again)).isEqualTo(read);
    Map<String, String> wanted = new HashMap<>();
    for (String line : lines("processed.txt")) {
      String[] fields = line.split(" \\| ");
      if (!fields[1].equals(json)) continue;
      String[] picture = fields[0].split(" ");
      PixelValues got = read.apply(picture(picture[0], picture[1]));
      assertThat("%dx%dx%d".formatted(got.channels(), got.height(), got.width()))
          .as(line)
          .isEqualTo(fields[2]);
      wanted.put(fields[0], fields[3]);
      assertThat(sha256(got.values())).as(line).isEqualTo(fields[3]);
    }
    assertThat(wanted).hasSizeBetween(3, 5);
  }

  private static String sha256(float[] values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return PreprocessTest.sha256(bytes.array());
  }

  @Test
  void theNewerFileAndTheDefaultsAreRead() throws IOException {
    Files.writeString(
        dir.resolve("processor_config.json"),
        "{\"image_processor\": {\"image_processor_type\": \"SiglipImageProcessor\"}}");
    assertThat(ImageProcessor.read(dir)).isEqualTo(ImageProcessor.siglip());
    Files.writeString(dir.resolve("preprocessor_config.json"), "{}");
    assertThat(ImageProcessor.read(dir)).isEqualTo(ImageProcessor.clip());
    assertThat(ImageProcessor.clip().withSquare(true))
        .isEqualTo(ImageProcessor.of(Preprocessing.clip(224, true)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'image_processor_type':'ViTImageProcessor'}|\"image_processor_type\" is"
            + " \"ViTImageProcessor\"; CLIPImageProcessor or",
        "{'do_pad':true}|\"do_pad\" is true; false",
        "{'use_square_size':true}|\"use_square_size\" is true",
        "{'do_resize':1}|\"do_resize\" is 1; true or false",
        "{'size':{'shortest_edge':0}}|shortest_edge 0, must be 1 to 8192",
        "{'size':{'shortest_edge':100000000}}|shortest_edge 100000000",
        "{'size':{'height':3}}|\"size.width\" is missing",
        "{'size':{'longest_edge':3}}|\"size\" is {\"longest_edge\":3}; shortest_edge, height",
        "{'size':{'shortest_edge':3,'height':4}}|unknown field \"size.height\"",
        "{'size':'224'}|\"size\" is \"224\"; a whole number",
        "{'size':[1,2,3]}|\"size\" is [1,2,3]; a number, or height and width",
        "{'crop_size':{'shortest_edge':3}}|\"crop_size.height\" is missing",
        "{'resample':6}|\"resample\" is 6; 0 (nearest), 1 (Lanczos)",
        "{'resample':'bicubic'}|\"resample\" is \"bicubic\"; a whole number",
        "{'rescale_factor':'x'}|\"rescale_factor\" is \"x\"; a number",
        "{'rescale_factor':1e99}|\"rescale_factor\" is 1.0E99; a number from",
        "{'image_mean':[1,2]}|\"image_mean\" is [1,2]; one number or three",
        "{'image_std':[1,0,1]}|\"image_std\" is [1,0,1]; finite numbers above 0",
        "{'image_std':0}|\"image_std\" is 0; finite numbers above 0",
        "{'image_mean':[1,1e99,1]}|\"image_mean\" is [1,1.0E99,1]; finite numbers",
        "[]|is not a JSON object",
        "{'size':|not valid JSON",
      })
  void whatIsNotSupportedNamesFileAndField(String json, String said) throws IOException {
    Path file = dir.resolve("preprocessor_config.json");
    Files.writeString(file, json.replace('\'', '"'));
    assertThatThrownBy(() -> ImageProcessor.read(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(said);
  }

  @Test
  void resultsAreBounded() {
    ImageProcessor uncut =
        new ImageProcessor(
            true, false, new TargetSize.ShortestEdge(336), Resampling.BICUBIC, null, null, null);
    assertThatThrownBy(() -> uncut.apply(picture("L", "1x1000000")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("336 x 336000000 pixels");
    ImageProcessor within =
        new ImageProcessor(
            true, false, new TargetSize.Within(20, 20), Resampling.BOX, null, null, null);
    assertThatThrownBy(() -> within.apply(picture("L", "1000x3")))
        .hasMessageContaining("20 x 0 pixels: a side must be at least 1");
    ImageProcessor grey =
        new ImageProcessor(
            false,
            false,
            null,
            null,
            null,
            null,
            new Normalisation(new float[] {1, 2, 3}, new float[] {1, 1, 1}));
    assertThat(grey.apply(picture("RGB", "3x2")).channels()).isEqualTo(3);
    assertThatThrownBy(() -> grey.apply(picture("L", "3x2")))
        .hasMessageContaining("three means and a picture of one channel");
    assertThatThrownBy(() -> new Normalisation(new float[2], new float[2]))
        .hasMessageContaining("2 means and 2 deviations");
  }

  @Test
  void everyKernelOfPillowHasItsNumber() {
    assertThat(Stream.of(Resampling.values()).collect(Collectors.toMap(r -> r, Resampling::code)))
        .containsEntry(Resampling.NEAREST, 0)
        .containsEntry(Resampling.LANCZOS, 1)
        .containsEntry(Resampling.BILINEAR, 2)
        .containsEntry(Resampling.BICUBIC, 3)
        .containsEntry(Resampling.BOX, 4)
        .containsEntry(Resampling.HAMMING, 5);
  }
}
