package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.check.PretendBackend;
import dev.theriac.cuda.Cuda;
import dev.theriac.tensor.Device;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands with {@code --device}: on a device that is none, and on those that are not there. */
class DeviceCommandTest extends TrainedFixture {
  /** With the kernels that the device that is none has too. */
  private static Ran scalar(String... args) {
    return Backends.with(Backends.scalar(), () -> theriac(args));
  }

  private static Ran scalar(List<String> args, String... more) {
    List<String> all = new ArrayList<>(args);
    all.addAll(List.of(more));
    return scalar(all.toArray(String[]::new));
  }

  @Test
  void trainsThereWhatIsTrainedHere() throws IOException {
    Path here = folder.resolve("scalar");
    Path there = folder.resolve("there");
    Path again = folder.resolve("again");
    List<String> train = List.of("train", config.toString(), "--seed", "7", "--out");
    Ran ran = scalar(train, here.toString());
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.err()).containsPattern("theriac .*, device cpu\\R");
    ran = scalar(train, there.toString(), "--device", "test");
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.err()).containsPattern("theriac .*, device test:0 with pretend-scalar\\R");
    for (String file : List.of("model/model.safetensors", "dense/model.safetensors")) {
      assertThat(there.resolve(file)).hasSameBinaryContentAs(here.resolve(file));
    }
    assertThat(Files.readString(there.resolve("report.html")))
        .contains("<dt>Device</dt><dd>test:0</dd>", "<dd>pretend-scalar</dd>");
    assertThat(Files.readString(here.resolve("report.html")))
        .contains("<dt>Device</dt><dd>cpu</dd>");
    // The configuration's device, unless the option names another.
    Path file = folder.resolve("there.json");
    Files.writeString(file, MICRO.replaceFirst("\\{", "{\"device\": \"test:1\", "));
    ran = scalar("train", file.toString(), "--seed", "7", "--out", again.toString());
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.err()).contains("device test:1");
    assertThat(again.resolve("model/model.safetensors"))
        .hasSameBinaryContentAs(here.resolve("model/model.safetensors"));
  }

  @Test
  void answersThereAsHere() throws IOException {
    String image = picture("device.png", phantom());
    String model = model().toString();
    Path page = folder.resolve("device.html");
    Path trail = folder.resolve("device.jsonl");
    List<List<String>> commands =
        List.of(
            List.of("ask", "--model", model, "--image", image, "Is this CT?"),
            List.of("eval", "--model", model, "--data", "phantoms", "--count", "3"),
            List.of(
                "route",
                "--model",
                model,
                "--image",
                image,
                "--out",
                "" + page,
                "--json",
                "" + trail,
                "Is this CT?"));
    for (List<String> command : commands) {
      Ran here = scalar(command);
      assertThat(here.status()).as(here.err()).isZero();
      Ran there = scalar(command, "--device", "test:0");
      assertThat(there.status()).as(there.err()).isZero();
      assertThat(there.err()).contains("device test:0 with pretend-scalar");
      String seconds = "(?m)^.*\\b(seconds|s)$";
      assertThat(there.out().replaceAll(seconds, "")).isEqualTo(here.out().replaceAll(seconds, ""));
    }
    Ran replayed =
        scalar(
            "route",
            "--model",
            model,
            "--image",
            image,
            "--out",
            "" + page,
            "--replay",
            "" + trail,
            "--device",
            "cpu",
            "Is this CT?");
    assertThat(replayed.status()).as(replayed.err()).isZero();
    assertThat(replayed.out()).contains("are the same to the bit");
  }

  @ParameterizedTest
  @ValueSource(strings = {"ask", "route", "eval", "train", "quickstart"})
  void aDeviceThatIsNotThereIsABadOption(String command) throws IOException {
    String image = picture("absent.png", phantom());
    Path out = folder.resolve("never-" + command);
    List<String> args =
        new ArrayList<>(
            switch (command) {
              case "train" -> List.of("train", config.toString(), "--out", "" + out);
              case "quickstart" -> List.of("quickstart", "--out", "" + out);
              case "eval" -> List.of("eval", "--model", "" + model(), "--data", "phantoms");
              default -> List.of(command, "--model", "" + model(), "--image", image, "What?");
            });
    args.add("--device");
    String[][] wrong = {
      {"absent", "no back end for device absent:0: no such card; buy one"},
      {"test:7", "there is no device 7"},
      {"tpu:0", "no back end for device tpu:0", "theriac-tpu"},
      {"GPU 0", "device GPU 0; write cpu, or a type and a number such as cuda:0"},
    };
    for (String[] row : wrong) {
      Ran ran = scalar(args, row[0]);
      assertThat(ran.status()).as(row[0]).isEqualTo(2);
      assertThat(ran.err()).contains("--device " + row[0] + ": ");
      for (int i = 1; i < row.length; i++) assertThat(ran.err()).contains(row[i]);
    }
    assertThat(out).doesNotExist();
  }

  @Test
  void withoutCudaTheCauseIsSaid() throws IOException {
    assumeFalse(Cuda.isAvailable(), "there is a GPU here");
    String image = picture("cuda.png", phantom());
    Ran ran =
        theriac(
            "ask", "--model", "" + model(), "--image", image, "--device", "cuda", "Is this CT?");
    assertThat(ran.status()).isEqualTo(2);
    assertThat(Cuda.unavailabilityCause()).isNotBlank();
    assertThat(ran.err().replaceAll("\\s+", " "))
        .contains("--device cuda: ", Cuda.unavailabilityCause().replaceAll("\\s+", " "));
    assertThat(ran.out()).isEmpty();
  }

  @Test
  void theDeviceOfAConfigurationIsChecked() throws IOException {
    Path file = folder.resolve("device.json");
    Path out = folder.resolve("never-at-all");
    String[][] wrong = {
      {"7", "$.device", "\"cpu\", \"cuda\" or \"cuda:N\""},
      {"\"GPU 0\"", "$.device", "\"cpu\", \"cuda\" or \"cuda:N\""},
      {"\"absent\"", "$.device", "no such card; buy one", "--device cpu"},
    };
    for (String[] row : wrong) {
      Files.writeString(file, MICRO.replaceFirst("\\{", "{\"device\": " + row[0] + ", "));
      Ran ran = theriac("train", file.toString(), "--out", out.toString());
      assertThat(ran.status()).as(row[0]).isEqualTo(1);
      for (int i = 1; i < row.length; i++) assertThat(ran.err()).contains(row[i]);
      assertThat(out).doesNotExist();
    }
  }

  private static <T> T proxy(Class<T> type, java.lang.reflect.InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  /** A device without kernels for quantised weights says so before it answers. */
  @Test
  void quantisedWeightsNeedKernels() throws IOException {
    Path quantised = folder.resolve("for-devices");
    Ran made =
        theriac(
            "quantize",
            "-q",
            "" + model(),
            "--to",
            "int8",
            "--output",
            "" + quantised,
            "--no-compare");
    assertThat(made.status()).as(made.err()).isZero();
    String image = picture("quantised.png", phantom());
    List<String> ask =
        List.of("ask", "-q", "--model", "" + quantised, "--image", image, "Is this CT?");
    Ran here = scalar(ask);
    Ran there = scalar(ask, "--device", "test");
    assertThat(there.status()).as(there.err()).isZero();
    assertThat(there.out()).isEqualTo(here.out());

    PretendBackend real = new PretendBackend(new Device("bare", 0), Backends.scalar());
    QuantisedKernels none =
        proxy(
            QuantisedKernels.class,
            (_, method, _) -> {
              throw new UnsupportedOperationException(method.getName() + " has no kernel");
            });
    Backend bare =
        proxy(
            Backend.class,
            (_, method, arguments) -> {
              if (method.getName().equals("quantised")) return none;
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
    Ran refused =
        Backends.with(
            bare,
            () ->
                theriac(
                    "ask",
                    "-q",
                    "--model",
                    "" + quantised,
                    "--image",
                    image,
                    "--device",
                    "bare",
                    "Is this CT?"));
    assertThat(refused.status()).isEqualTo(1);
    assertThat(refused.err()).contains("quantised weights", "bare:0", "leave --device out");
  }

  @Test
  void helpNamesTheOption() {
    for (String command : List.of("ask", "route", "eval", "train", "quickstart")) {
      assertThat(theriac(command, "--help").out()).contains("--device=cpu|cuda|cuda:N");
    }
  }
}
