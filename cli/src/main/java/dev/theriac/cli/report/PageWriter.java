package dev.theriac.cli.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/** What the pages have in common: one HTML text that grows line by line. */
abstract class PageWriter {
  private final StringBuilder out = new StringBuilder();

  /** Adds all of the page. */
  abstract void page();

  final String text() {
    page();
    return out.toString();
  }

  final void add(String html) {
    out.append(html).append('\n');
  }

  final void add(String pattern, Object... values) {
    add(Html.format(pattern, values));
  }

  /** The start of the page, up to its style. */
  final void head(String title) {
    add("<!DOCTYPE html>");
    add("<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    add("<title>%s</title>", Html.escape(title));
  }

  final void section(String id, String heading) {
    add("<section id=\"%s\"><h2>%s</h2>", id, Html.escape(heading));
  }

  static String styleSheet(String name) {
    try (InputStream in = PageWriter.class.getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + name, e);
    }
  }
}
