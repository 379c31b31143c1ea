package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;

/** A model that is trained in seconds by {@code theriac train}, and commands to be run on it. */
abstract class TrainedFixture {
  static final String MICRO =
      """
      {"data": {"format": "phantoms", "train": 8, "held": 4},
       "model": {"image_size": 16,
         "vision": {"dim": 16, "layers": 1, "heads": 2, "intermediate": 32},
         "language": {"dim": 16, "layers": 2, "heads": 2, "intermediate": 32, "rotary_dims": 4}},
       "checkpoint_every": 2,
       "align": {"steps": 3, "batch_size": 4, "train_vision": true, "train_language": true,
         "augmentation": {"shift": 0.1}},
       "instruct": {"steps": 3, "batch_size": 4, "train_vision": true, "balanced": true},
       "router": {"epochs": 1, "samples": 12},
       "moe": {"steps": 4, "batch_size": 4},
       "evaluation": {"every": 2, "validation": 6, "max_new_tokens": 3}}
      """;

  static Path folder;
  static Path config;
  static Path run;
  static Path json;
  static String printed;

  record Ran(int status, String out, String err) {}

  static Ran theriac(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Ran(status, out.toString(), err.toString());
  }

  static void remove(Path root) {
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    } catch (IOException e) {
      // The system empties its temporary folder some time.
    }
  }

  /** Once for all the classes of tests. */
  @BeforeAll
  static void train() throws IOException {
    if (printed != null) return;
    folder = Files.createTempDirectory("theriac-commands");
    Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(folder)));
    config = Files.writeString(folder.resolve("micro.json"), MICRO);
    run = folder.resolve("run");
    json = folder.resolve("new/result.json");
    Ran ran =
        theriac(
            "train",
            config.toString(),
            "--out",
            run.toString(),
            "--json",
            json.toString(),
            "--seed",
            "7");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.err).contains("theriac ", "align: 3 steps", "moe step 2: validation");
    printed = ran.out;
  }

  static Path model() {
    return run.resolve("model");
  }

  static String picture(String name, Image image) throws IOException {
    Path file = folder.resolve(name);
    Images.writePng(image, file);
    return file.toString();
  }

  static Image phantom() {
    return Phantoms.test(1, 1, 16).getFirst().image();
  }
}
