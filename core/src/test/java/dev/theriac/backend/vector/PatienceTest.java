package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

class PatienceTest {
  @Test
  void warnsOnceAndRests() {
    List<String> messages = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord message) {
            messages.add(message.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger(Patience.class.getName());
    logger.setUseParentHandlers(false);
    logger.addHandler(handler);
    try {
      new Patience("tests", "nothing is used").round();
      assertThat(messages).isEmpty();
      long pause = TimeUnit.MILLISECONDS.toNanos(20);
      Patience patience = new Patience("tests", "nothing is used", 0, pause);
      long start = System.nanoTime();
      for (int i = 0; i < 3; i++) patience.round();
      assertThat(System.nanoTime() - start).isGreaterThan(pause);
      assertThat(messages).hasSize(1);
      assertThat(messages.getFirst()).contains("kernels of tests", "nothing is used");
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
  }
}
