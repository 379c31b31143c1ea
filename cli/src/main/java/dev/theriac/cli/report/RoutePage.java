package dev.theriac.cli.report;

import dev.theriac.io.AtomicFile;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.audit.RouteRecord;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.audit.TrailHeader;
import dev.theriac.moe.audit.TrailHeader.Layer;
import dev.theriac.moe.medmoe.RoutedAnswer;
import dev.theriac.moe.medmoe.RoutedAnswer.Part;
import dev.theriac.moe.medmoe.RoutedAnswer.Position;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Writes the routing of one answer as one HTML file that needs nothing else: the picture under a
 * grid of its patches, coloured by expert, for each layer; the words beneath, coloured alike; the
 * numbers. It follows the reader's light or dark scheme and prints on paper.
 */
public final class RoutePage extends PageWriter {
  /** Colours of the report's curves; more experts than these get hues of their own. */
  private static final int PALETTE = 4;

  /** Largest number of patches along an edge for which each is lettered. */
  private static final int LETTERED = 8;

  /** Characters shown of a token; some vocabularies hold whole sentences. */
  private static final int LONGEST = 48;

  private final RouteData data;
  private final RoutedAnswer answer;
  private final Trail trail;
  private final TrailHeader header;
  private final int experts;

  private RoutePage(RouteData data) {
    this.data = data;
    answer = data.answer();
    trail = answer.trail();
    header = trail.header();
    experts = header.layers().stream().mapToInt(Layer::experts).max().orElseThrow();
  }

  /**
   * Writes the page, replacing a file that is there.
   *
   * @throws dev.theriac.io.FileException if the file cannot be written; an earlier one is intact
   */
  public static void write(RouteData data, Path file) {
    AtomicFile.write(file, html(data));
  }

  /** The page as text. */
  public static String html(RouteData data) {
    return new RoutePage(data).text();
  }

  @Override
  void page() {
    head("Routing: " + data.question());
    add("<style>" + styleSheet("report.css") + styleSheet("route.css"));
    for (int e = 0; e < experts; e++) add(".x%d { --x: %s; }", e, colour(e));
    add("</style></head><body><main>");
    add("<header><p class=\"name\">Routing of one answer. For research, not for diagnosis.</p>");
    add("<h1>%s</h1>", Html.escape(data.question()));
    add("<p class=\"answer\">%s</p>", answer.answer().isBlank() ? "<em>no answer</em>" : said());
    add("</header>");
    legend();
    pictures();
    words();
    shares();
    tokens();
    origin();
    add("</main></body></html>");
  }

  private String said() {
    return Html.escape(answer.answer());
  }

  /** Neighbouring ids get hues far apart (the golden angle). */
  private String colour(int expert) {
    if (experts <= PALETTE) return "var(--s%d)".formatted(expert + 1);
    double hue = expert * 137.50776405 % 360;
    return String.format(Locale.ROOT, "hsl(%.0f 58%% %d%%)", hue, expert % 2 == 0 ? 50 : 62);
  }

  private void legend() {
    add("<p class=\"legend\">");
    for (int e = 0; e < experts; e++) {
      add("<span class=\"x%d\"><i></i>%s</span>", e, Html.escape(header.expertName(e)));
    }
    add("</p>");
  }

  private void section(String id, String heading, String note) {
    section(id, heading);
    add("<p>%s</p>", Html.escape(note));
  }

  private void pictures() {
    section(
        "pictures",
        "The picture",
        "As the encoder saw it, and under the grid of its patches: the colour is the first expert"
            + " of each patch, the stronger the larger its weight.");
    add("<div class=\"pictures\">");
    int size = data.seen().width();
    add("<figure><figcaption>Input, %d × %d pixels</figcaption>", size, size);
    add("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"the picture\">", size, size);
    // Small pictures are shown with the pixels that they have.
    String style = size < 200 ? " style=\"image-rendering:pixelated\"" : "";
    add("<defs><image id=\"grey\" width=\"%d\" height=\"%d\"%s", size, size, style);
    add("href=\"data:image/png;base64," + greyPng(data.seen()) + "\"/></defs>");
    add("<image width=\"%d\" height=\"%d\"%s", size, size, style);
    add("href=\"data:image/png;base64," + base64(data.seen()) + "\"/></svg></figure>");
    for (Layer layer : header.layers()) grid(layer, size);
    add("</div></section>");
  }

  private void grid(Layer layer, int size) {
    int edge = size / data.patch();
    int first =
        IntStream.range(0, answer.positions().size())
            .filter(p -> answer.positions().get(p).part() == Part.IMAGE)
            .findFirst()
            .orElse(0);
    add("<figure><figcaption>Layer %d</figcaption>", layer.layer());
    add("<svg viewBox=\"0 0 %d %d\" role=\"img\"", size, size);
    add("aria-label=\"experts of the patches in layer %d\">", layer.layer());
    add("<use href=\"#grey\"/>");
    for (int i = 0; i < edge * edge; i++) {
      RouteRecord r = trail.find(0, first + i, layer.layer());
      if (r == null || r.experts().length == 0) continue;
      double x = i % edge * data.patch();
      double y = i / edge * data.patch();
      int expert = r.experts()[0];
      add("<g class=\"x%d\"><title>%s</title>", expert, Html.escape(told(r, "patch " + i)));
      add(
          "<rect class=\"patch\" x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\""
              + " fill-opacity=\"%.2f\" stroke-width=\"%.3f\"/>",
          x, y, data.patch(), data.patch(), opacity(r.weights()[0]), size / 400.0);
      if (edge <= LETTERED) {
        add(
            "<text class=\"letter\" x=\"%.2f\" y=\"%.2f\" font-size=\"%.2f\">%s</text>",
            x + data.patch() / 2.0,
            y + data.patch() * 0.59,
            data.patch() * 0.26,
            Html.escape(letter(expert)));
      }
      add("</g>");
    }
    add("</svg></figure>");
  }

  private static double opacity(float weight) {
    return 0.25 + 0.45 * Math.clamp(weight, 0, 1);
  }

  private String letter(int expert) {
    if (header.expertNames().isEmpty()) return Integer.toString(expert);
    String name = header.expertName(expert);
    return name.length() <= 5 ? name : name.substring(0, 4) + ".";
  }

  /** The picture without its colours, which would mix with those of the experts. */
  private static String greyPng(Image seen) {
    int size = seen.width();
    byte[] grey = new byte[size * size];
    for (int i = 0; i < grey.length; i++) {
      int x = i % size;
      int y = i / size;
      // Luma of ITU-R BT.601, in 1/256.
      int luma = 77 * seen.sample(x, y, 0) + 150 * seen.sample(x, y, 1) + 29 * seen.sample(x, y, 2);
      grey[i] = (byte) (luma >> 8);
    }
    return base64(Image.of8(size, size, 1, grey));
  }

  private static String base64(Image image) {
    return Base64.getEncoder().encodeToString(Images.encodePng(image));
  }

  private String told(RouteRecord r, String what) {
    String each =
        IntStream.range(0, r.experts().length)
            .mapToObj(
                j -> Html.format("%s %.3f", header.expertName(r.experts()[j]), r.weights()[j]))
            .collect(Collectors.joining(", "));
    return Html.format(
        "%s, layer %d: %s; margin %s, entropy %.3f nats",
        what, r.layer(), each, number(r.margin()), r.entropy());
  }

  private static String number(Double value) {
    return value == null || value.isNaN() ? Html.DASH : Html.format("%.3f", value);
  }

  private void words() {
    String layers =
        header.layers().stream()
            .map(l -> Integer.toString(l.layer()))
            .collect(Collectors.joining(", "));
    section(
        "words",
        "The words",
        header.layers().size() == 1
            ? "Each token with its first expert in layer %s.".formatted(layers)
            : "Each token with its first experts in the layers %s, from top to bottom."
                .formatted(layers));
    for (Part part : RoutedAnswer.SHOWN) {
      List<Integer> at =
          IntStream.range(0, answer.positions().size())
              .filter(p -> answer.positions().get(p).part() == part)
              .boxed()
              .toList();
      if (part == Part.IMAGE || at.isEmpty()) continue;
      add("<h3>%s</h3><p class=\"words\">", heading(part));
      for (int p : at) word(p);
      add("</p>");
    }
    add("</section>");
  }

  private void word(int p) {
    Position at = answer.positions().get(p);
    String text = at.text().isBlank() ? at.text().contains("\n") ? "↵" : "␣" : at.text().strip();
    add("<span class=\"word\"><b>%s</b>", Html.escape(cut(text)));
    for (Layer layer : header.layers()) {
      RouteRecord r = trail.find(0, p, layer.layer());
      if (r == null || r.experts().length == 0) continue;
      add(
          "<i class=\"x%d\" title=\"%s\"></i>",
          r.experts()[0], Html.escape(told(r, "position " + p)));
    }
    add("</span>");
  }

  private static String cut(String text) {
    return text.length() <= LONGEST ? text : text.substring(0, LONGEST - 1) + "…";
  }

  private static String heading(Part part) {
    return switch (part) {
      case IMAGE -> "Picture";
      case QUESTION -> "Question";
      case ANSWER -> "Answer";
      case FRAME -> "Words of the template";
    };
  }

  private void shares() {
    section(
        "shares",
        "Shares",
        "Share of each expert in the tokens of each part, in %; margin between the last chosen and"
            + " the next expert, in units of what experts are chosen by; entropy of the router's"
            + " probabilities, of at most "
            + Html.format("%.3f", Math.log(experts))
            + " nats.");
    ExpertUsage usage = new ExpertUsage(header);
    trail.records().forEach(usage.by(RouteRecord::part)::add);
    add("<div class=\"wide\"><table class=\"shares\"><thead><tr><th>Layer</th><th>Part</th>");
    add("<th class=\"n\">Tokens</th>");
    for (int e = 0; e < experts; e++) {
      add("<th class=\"c x%d\"><i></i>%s</th>", e, Html.escape(header.expertName(e)));
    }
    add("<th class=\"n\">Margin</th><th class=\"n\">Entropy</th></tr></thead><tbody>");
    for (Layer layer : header.layers()) {
      boolean first = true;
      for (Part part : RoutedAnswer.SHOWN) {
        ExpertUsage.Row row = usage.row(part.word(), layer.layer());
        if (row == null) continue;
        add(
            "<tr%s><th scope=\"row\">%s</th>",
            first ? " class=\"first\"" : "", first ? layer.layer() : "");
        add("<td>%s</td><td class=\"n\">%d</td>", heading(part), row.tokens());
        double[] shares = row.shares();
        for (int e = 0; e < experts; e++) {
          if (e >= shares.length) {
            add("<td></td>");
          } else {
            add(
                "<td class=\"c x%d\" style=\"--share:%.0f%%\">%.0f</td>",
                e, shares[e] * 70, shares[e] * 100);
          }
        }
        add("<td class=\"n\">%s</td>", number(row.meanMargin()));
        add("<td class=\"n\">%s</td></tr>", number(row.meanEntropy()));
        first = false;
      }
    }
    add("</tbody></table></div></section>");
  }

  private void tokens() {
    add("<section id=\"tokens\"><details><summary>Every token</summary>");
    add("<div class=\"wide\"><table><thead><tr><th class=\"n\">Position</th><th>Part</th>");
    add("<th>Token</th>");
    for (Layer layer : header.layers()) {
      add("<th>Layer %d</th><th class=\"n\">Margin</th>", layer.layer());
      add("<th class=\"n\">Entropy</th>");
    }
    add("</tr></thead><tbody>");
    for (int p = 0; p < answer.positions().size(); p++) {
      Position at = answer.positions().get(p);
      add("<tr><td class=\"n\">%d</td><td>%s</td>", p, at.part().word());
      add("<td>%s</td>", Html.escape(cut(at.text().replace("\n", "↵"))));
      for (Layer layer : header.layers()) cells(trail.find(0, p, layer.layer()));
      add("</tr>");
    }
    add("</tbody></table></div></details></section>");
  }

  private void cells(RouteRecord r) {
    if (r == null) {
      add("<td></td><td></td><td></td>");
      return;
    }
    String chosen =
        IntStream.range(0, r.experts().length)
            .mapToObj(j ->
                Html.format(
                    "<span class=\"x%d dot\"><i></i>%s</span> %.4f",
                    r.experts()[j], Html.escape(header.expertName(r.experts()[j])), r.weights()[j]))
            .collect(Collectors.joining("<br/>"));
    add("<td>" + chosen + "</td>");
    add("<td class=\"n\">%s</td><td class=\"n\">%.4f</td>", number(r.margin()), r.entropy());
  }

  private void origin() {
    add("<section id=\"run\"><h2>Where it comes from</h2><dl>");
    item("Theriac", header.library());
    item("Model, SHA-256 of the weights", header.model().weights());
    item("of the routers", header.model().routers());
    item("Input", header.input());
    item("Answer", trail.output());
    for (Layer layer : header.layers()) item("Layer " + layer.layer(), layer.router());
    header.settings().forEach((name, value) -> item(name.replace('_', ' '), value));
    add("</dl></section>");
  }

  private void item(String name, String value) {
    add("<div><dt>%s</dt><dd>%s</dd></div>", Html.escape(name), Html.escape(value));
  }
}
