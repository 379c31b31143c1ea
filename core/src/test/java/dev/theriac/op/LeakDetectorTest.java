package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.LeakDetector;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

/** The build runs tests with theriac.leaks=every. */
class LeakDetectorTest {
  private static final class Recorder extends Handler {
    final List<String> messages = new CopyOnWriteArrayList<>();

    @Override
    public void publish(LogRecord record) {
      messages.add(record.getMessage() + " " + List.of(record.getParameters()));
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  private static Tensor lose() {
    return Tensor.zeros(33);
  }

  @Test
  void namesWhereALeakedTensorWasMade() throws InterruptedException {
    Logger logger = Logger.getLogger("dev.theriac.leaks");
    Recorder recorder = new Recorder();
    logger.addHandler(recorder);
    logger.setUseParentHandlers(false);
    try {
      long before = LeakDetector.leaks();
      int lost = System.identityHashCode(lose());
      for (int i = 0; i < 200 && !seen(recorder); i++) {
        System.gc();
        Thread.sleep(10);
      }
      assertThat(seen(recorder)).as("report of tensor %d", lost).isTrue();
      assertThat(LeakDetector.leaks()).isGreaterThan(before);
    } finally {
      logger.removeHandler(recorder);
      logger.setUseParentHandlers(true);
    }
    assertThat(recorder.messages.getFirst()).contains("Scope");
  }

  private static boolean seen(Recorder recorder) {
    return recorder.messages.stream()
        .anyMatch(m -> m.contains("full at") && m.contains("LeakDetectorTest.lose"));
  }

  @Test
  void listsWhatIsAlive() {
    Tensor t = Tensor.zeros(3);
    assertThat(LeakDetector.live()).anyMatch(s -> s.contains("LeakDetectorTest.listsWhatIsAlive"));
    t.close();
    assertThat(LeakDetector.live()).noneMatch(s -> s.contains("LeakDetectorTest.listsWhatIsAlive"));
  }

  @Test
  void tensorsMeantToStayAreNoLeak() throws InterruptedException {
    long live = Memory.stats().liveBlocks();
    long before = LeakDetector.leaks();
    int lost = System.identityHashCode(Scope.persist(Tensor.zeros(33)));
    for (int i = 0; i < 200 && Memory.stats().liveBlocks() > live; i++) {
      System.gc();
      Thread.sleep(10);
    }
    assertThat(Memory.stats().liveBlocks()).as("tensor %d", lost).isLessThanOrEqualTo(live);
    assertThat(LeakDetector.leaks()).isEqualTo(before);
  }
}
