package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.Processes;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One question about one picture, put to a model's copies by either program. */
final class Asking {
  /** Forty tokens with the template around it, not counting the picture. */
  static final String QUESTION =
      "Is there a shadow in the left lower lobe, and is the heart larger than is normal in"
          + " this chest image?";

  static final int NEW_TOKENS = 32;
  private static final int SHOWN = 300;
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** An answer takes half a minute, one of PyTorch in F32 some minutes. */
  private static final Duration LIMIT = Duration.ofMinutes(20);

  private final Path folder;
  private final Path input;
  private final Path image;
  private final int threads;
  private final int end;
  private final List<String> launcher;
  private final Duration limit;

  /**
   * @param folder of the model, or one with its tokenizer
   * @param input a folder for the picture, and for the prompt as PyTorch's script reads it
   * @param launcher of theriac
   */
  Asking(FullSizeModel model, Path folder, Path input, int threads, List<String> launcher)
      throws IOException {
    this(model, folder, input, threads, launcher, LIMIT);
  }

  Asking(
      FullSizeModel model,
      Path folder,
      Path input,
      int threads,
      List<String> launcher,
      Duration limit)
      throws IOException {
    this.folder = folder;
    this.input = input;
    this.threads = threads;
    this.launcher = launcher;
    this.limit = limit;
    image = input.resolve("picture.png");
    int size = model.vision().imageSize();
    ImageIO.write(picture(size), "png", image.toFile());
    float[] pixels = Preprocess.apply(Images.read(image), Preprocessing.clip(size, true));
    ByteBuffer bytes = ByteBuffer.allocate(4 * pixels.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(pixels);
    Files.write(input.resolve("pixels.f32"), bytes.array());
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      end = tokenizer.eosId();
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

  /**
   * As a user asks: by the launcher, with what was built last.
   *
   * @param model its folder
   */
  Answer theriac(Path model) throws IOException {
    List<String> command = new ArrayList<>(launcher);
    command.addAll(
        List.of(
            "ask",
            "--times",
            "--model",
            model.toAbsolutePath().toString(),
            "--image",
            image.toString(),
            "--max-tokens",
            Integer.toString(NEW_TOKENS),
            QUESTION));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("THERIAC_NO_BUILD", "1");
    builder.environment().put("THERIAC_JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("THERIAC_JAVA_OPTS", "-Dtheriac.threads=" + threads);
    Processes.Output said = Processes.run(builder, limit);
    return Answer.of(said.errors(), said.text());
  }

  /** The tokens of the same answer. */
  List<Integer> tokens(Path model) throws IOException {
    return ModelProcess.ids(model, image, NEW_TOKENS, threads);
  }

  /** As an answer is printed. */
  String text(List<Integer> tokens) {
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      int[] ids = tokens.stream().mapToInt(Integer::intValue).toArray();
      return tokenizer.decode(ids, true).strip();
    }
  }

  /**
   * The same by transformers.
   *
   * @param tokens how many
   * @param more arguments of the script after its fourth
   */
  Answer pytorch(Path python, Path model, int tokens, String... more) throws IOException {
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
                model.toAbsolutePath().toString(),
                input.toString(),
                Integer.toString(threads),
                Integer.toString(tokens)));
    command.addAll(List.of(more));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    String said = Processes.run(builder, limit).text();
    try {
      return answer(JSON.readTree(said));
    } catch (JacksonException e) {
      String shown = said.strip();
      if (shown.length() > SHOWN) shown = shown.substring(0, SHOWN) + " ...";
      throw new IllegalStateException(
          "%s printed no answer but \"%s\"".formatted(python, shown), e);
    }
  }

  private Answer answer(JsonNode said) {
    // Each of them must be there, and a number where it is one.
    List<Integer> tokens = new ArrayList<>();
    for (JsonNode token : said.required("tokens")) {
      if (token.intValue() == end) break; // where ours stops
      tokens.add(token.intValue());
    }
    return new Answer(
        said.required("name").stringValue(),
        said.required("start").doubleValue() + said.required("load").doubleValue(),
        said.required("picture").doubleValue(),
        said.required("prompt").doubleValue(),
        said.required("positions").intValue(),
        said.required("decode").doubleValue(),
        said.required("steps").intValue(),
        said.required("resident").doubleValue(),
        text(tokens),
        tokens);
  }
}
