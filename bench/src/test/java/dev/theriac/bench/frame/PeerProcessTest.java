package dev.theriac.bench.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.bench.frame.PeerProcess.Pages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Programs that do not speak as they should; nothing of them is left running. */
@DisabledOnOs(OS.WINDOWS)
class PeerProcessTest {
  private static final Duration LIMIT = Duration.ofSeconds(2);

  @TempDir private Path temp;

  /** A program that notes its number, and then that of the sleep that it waits for. */
  private List<String> script(String lines) throws IOException {
    Path script = temp.resolve("rival.sh");
    Files.writeString(script, "echo $$ >%s\n%s\n".formatted(temp.resolve("pids"), lines));
    return List.of("sh", script.toString());
  }

  private String sleep() {
    return "sleep 600 & echo $! >>%s; wait".formatted(temp.resolve("pids"));
  }

  /** Waits until the program and its sleep run. */
  private void awaitBothNumbers() throws Exception {
    Path pids = temp.resolve("pids");
    long start = System.nanoTime();
    while (!Files.exists(pids) || Files.readString(pids).lines().count() < 2) {
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
      Thread.sleep(10);
    }
    for (String pid : Files.readAllLines(pids)) {
      assertThat(ProcessHandle.of(Long.parseLong(pid))).get().matches(ProcessHandle::isAlive);
    }
  }

  private void assertNothingRuns() throws Exception {
    for (String pid : Files.readAllLines(temp.resolve("pids"))) {
      Optional<ProcessHandle> still = ProcessHandle.of(Long.parseLong(pid));
      if (still.isPresent()) still.get().onExit().get(10, TimeUnit.SECONDS);
    }
  }

  private static PeerProcess start(List<String> command) throws IOException {
    return new PeerProcess(command, 1, Pages.USUAL, LIMIT);
  }

  @Test
  void endsAtOnce() throws Exception {
    List<String> command = script("echo 'no torch here' >&2; exit 3");
    assertThatThrownBy(() -> start(command))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("ended early")
        .hasMessageContaining("no torch here");
    assertNothingRuns();
  }

  @Test
  void saysSomethingElseAndEnds() throws Exception {
    List<String> command = script("echo; echo 'Usage: rival [options]'");
    assertThatThrownBy(() -> start(command))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("ended early")
        .hasMessageContaining("Usage: rival");
    assertNothingRuns();
  }

  @Test
  void neverSaysAnything() throws Exception {
    List<String> command = script(sleep());
    assertThatThrownBy(() -> start(command))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("did not answer within 2 s");
    assertNothingRuns();
  }

  @Test
  void neverStopsSayingSomethingElse() throws Exception {
    List<String> command = script("while :; do echo loading; done");
    assertThatThrownBy(() -> start(command))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("did not answer within 2 s")
        .hasMessageContaining("loading");
    assertNothingRuns();
  }

  @Test
  void answersWithoutNumbers() throws Exception {
    List<String> command = script("echo '= rival 1'; while read -r line; do echo '= fast'; done");
    try (PeerProcess peer = start(command)) {
      assertThat(peer.name()).isEqualTo("rival 1");
      assertThatThrownBy(() -> peer.run("norm", 1))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("rival 1 answered \"run norm 1.0\" with \"fast\"");
      assertThatThrownBy(peer::residentPeak)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("\"resident\"");
    }
    assertNothingRuns();
  }

  @Test
  void isClosedWhileItWaitsForAnother() throws Exception {
    List<String> command = script("trap '' TERM; echo '= rival 1'; cat >/dev/null & " + sleep());
    PeerProcess peer = start(command);
    assertThat(peer.isAlive()).isTrue();
    peer.close();
    assertThat(peer.isAlive()).isFalse();
    assertNothingRuns();
  }

  @Test
  void thereIsNoSuchProgram() {
    assertThatThrownBy(() -> start(List.of(temp.resolve("none").toString())))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("none");
  }

  @Test
  void ofAnEngineInTwoSettingsBothRunOrNone() throws Exception {
    List<String> notes = new ArrayList<>();
    BenchOptions options =
        new BenchOptions(List.of(1), false, true, null, null, List.of(), 1, 0, notes::add);
    List<PeerProcess> started = new ArrayList<>();
    Rounds.Start first =
        () -> {
          started.add(FakePeer.start(Pages.USUAL, "rival 1", "norm=1"));
          return started.getFirst();
        };
    try (Rounds rounds = new Rounds(options, 1, 1)) {
      List<String> ends = script("exit 1");
      rounds.addRival("rival", List.of(first, () -> start(ends)));
      assertThat(rounds.peers()).isEmpty();
      assertThat(notes).singleElement().asString().startsWith("rival is left out");
      assertThat(started.removeFirst().isAlive()).isFalse();

      Rounds.Start missing =
          () -> {
            throw new NoSuchFileException("rival");
          };
      assertThatThrownBy(() -> rounds.addRival("rival", List.of(first, missing)))
          .isInstanceOf(NoSuchFileException.class);
      assertThat(started.removeFirst().isAlive()).isFalse();
      assertThat(rounds.peers()).isEmpty();
    }
  }

  @Test
  void aProgramRunsToItsEndWithinItsTime() throws Exception {
    Processes.Output said = Processes.run(builder(script("cat; echo out; echo err >&2")), LIMIT);
    assertThat(said.text()).isEqualTo("out\n");
    assertThat(said.errors()).isEqualTo("err\n");
    ProcessBuilder killed = builder(script("echo 'too much' >&2; exit 137"));
    assertThatThrownBy(() -> Processes.run(killed, LIMIT))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("sh ended with status 137 (killed")
        .hasMessageContaining("too much");
    ProcessBuilder hangs = builder(script(sleep()));
    assertThatThrownBy(() -> Processes.run(hangs, LIMIT))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("sh did not end within 2 s");
    assertNothingRuns();
  }

  /** Starts what its arguments say, and waits for it. */
  static final class Starter {
    private Starter() {}

    public static void main(String[] command) throws Exception {
      Process process = Processes.start(new ProcessBuilder(command));
      System.out.println("started");
      process.waitFor();
    }
  }

  @Test
  void aBenchmarkThatIsEndedTakesItsProgramsWithIt() throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(Starter.class.getName());
    command.addAll(script(sleep()));
    Process process = new ProcessBuilder(command).start();
    try {
      assertThat(process.inputReader().readLine()).isEqualTo("started");
      awaitBothNumbers();
    } finally {
      process.destroy();
    }
    assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertNothingRuns();
  }

  private static ProcessBuilder builder(List<String> command) {
    return new ProcessBuilder(command);
  }
}
