package dev.theriac.cli;

/** The one line that says what is running on what. */
final class StartUpLine {
  private StartUpLine() {}

  /** Version, JDK and processors. */
  static String text() {
    return "theriac %s, Java %s, %d processors"
        .formatted(Version.number(), Runtime.version(), Runtime.getRuntime().availableProcessors());
  }
}
