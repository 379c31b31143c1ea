package dev.theriac.cli;

import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Device;

/** The one line that says what is running on what. */
final class StartUpLine {
  private StartUpLine() {}

  /** Version, Java, back end with its vector width, threads. */
  static String text() {
    return "theriac %s, Java %s, back end %s, %d %s"
        .formatted(
            Version.number(),
            Runtime.version(),
            Backends.cpu().backend().name(),
            Workers.threads(),
            Workers.threads() == 1 ? "thread" : "threads");
  }

  /** The same of a command whose model computes on {@code device}. */
  static String text(Device device) {
    String name = device.equals(Device.CPU) ? "" : " with " + Backends.of(device).name();
    return "%s, device %s%s".formatted(text(), device, name);
  }
}
