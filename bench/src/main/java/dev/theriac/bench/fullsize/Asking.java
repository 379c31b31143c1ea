package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.SourceTree;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.vision.image.Images;
import dev.theriac.vision.image.Preprocess;
import dev.theriac.vision.image.Preprocessing;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One question about one picture, put to a model by either program. */
final class Asking {
  /** Forty tokens with the template around it, not counting the picture. */
  static final String QUESTION =
      "Is there a shadow in the left lower lobe, and is the heart larger than is normal in"
          + " this chest image?";

  static final int NEW_TOKENS = 32;
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Path folder;
  private final Path input;
  private final Path image;
  private final int threads;

  /**
   * @param folder of the model
   * @param input a folder for the picture, and for the prompt as PyTorch's script reads it
   */
  Asking(FullSizeModel model, Path folder, Path input, int threads) throws IOException {
    this.folder = folder;
    this.input = input;
    this.threads = threads;
    image = input.resolve("picture.png");
    int size = model.vision().imageSize();
    ImageIO.write(picture(size), "png", image.toFile());
    float[] pixels = Preprocess.apply(Images.read(image), Preprocessing.clip(size, true));
    ByteBuffer bytes = ByteBuffer.allocate(4 * pixels.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(pixels);
    Files.write(input.resolve("pixels.f32"), bytes.array());
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      Files.writeString(input.resolve("ids.json"), Arrays.toString(prompt(tokenizer)));
    }
  }

  /** The ids of the question in its template. */
  static int[] prompt(Tokenizer tokenizer) {
    return new PromptEncoder(tokenizer, Template.PHI, Integer.MAX_VALUE)
        .inference(Conversation.ask(QUESTION));
  }

  private static BufferedImage picture(int size) {
    BufferedImage picture = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < size; y++) {
      for (int x = 0; x < size; x++) {
        picture.setRGB(x, y, 255 * x / size << 16 | 255 * y / size << 8 | (x ^ y) & 255);
      }
    }
    return picture;
  }

  /** As a user asks: by the launcher, with what was built last. */
  Answer theriac() throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
            SourceTree.folder().resolve("theriac").toString(),
            "ask",
            "--times",
            "--model",
            folder.toAbsolutePath().toString(),
            "--image",
            image.toString(),
            "--max-tokens",
            Integer.toString(NEW_TOKENS),
            QUESTION);
    builder.environment().put("THERIAC_NO_BUILD", "1");
    builder.environment().put("THERIAC_JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("THERIAC_JAVA_OPTS", "-Dtheriac.threads=" + threads);
    String[] said = run(builder);
    return Answer.of(said[1], said[0]);
  }

  /**
   * The same by transformers.
   *
   * @param more arguments of the script after its fourth
   */
  Answer pytorch(Path python, int tokens, String... more) throws IOException {
    Path script = input.resolve("pytorch_ask.py");
    if (!Files.exists(script)) {
      try (InputStream in = Asking.class.getResourceAsStream("pytorch_ask.py")) {
        if (in == null) throw new IOException("pytorch_ask.py is missing");
        Files.copy(in, script);
      }
    }
    List<String> command =
        new ArrayList<>(
            List.of(
                python.toString(),
                script.toString(),
                folder.toAbsolutePath().toString(),
                input.toString(),
                Integer.toString(threads),
                Integer.toString(tokens)));
    command.addAll(List.of(more));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    JsonNode said = JSON.readTree(run(builder)[0]);
    int[] ids =
        IntStream.range(0, said.path("tokens").size())
            .map(i -> said.path("tokens").path(i).asInt())
            .toArray();
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      return new Answer(
          said.path("name").asString(),
          said.path("start").asDouble() + said.path("load").asDouble(),
          said.path("picture").asDouble(),
          said.path("prompt").asDouble(),
          said.path("positions").asInt(),
          said.path("decode").asDouble(),
          said.path("steps").asInt(),
          said.path("resident").asDouble(),
          tokenizer.decode(ids, true).strip());
    }
  }

  /** What it wrote to standard output and to standard error. */
  private static String[] run(ProcessBuilder builder) throws IOException {
    Path out = Files.createTempFile("bench", ".out");
    Path err = Files.createTempFile("bench", ".err");
    Process process = null;
    try {
      process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
      int status = process.waitFor();
      String text = new String(Files.readAllBytes(out), StandardCharsets.UTF_8);
      String errors = new String(Files.readAllBytes(err), StandardCharsets.UTF_8);
      if (status != 0) {
        throw new IllegalStateException(
            "%s ended with status %d: %s"
                .formatted(builder.command().getFirst(), status, errors.strip()));
      }
      return new String[] {text, errors};
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    } finally {
      if (process != null) process.destroy();
      Files.delete(out);
      Files.delete(err);
    }
  }
}
