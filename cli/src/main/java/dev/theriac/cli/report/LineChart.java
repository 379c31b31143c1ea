package dev.theriac.cli.report;

import dev.theriac.cli.report.ReportData.LossChart;
import dev.theriac.cli.report.ReportData.LossCurve;
import java.util.ArrayList;
import java.util.List;

/**
 * A chart of losses over steps as inline SVG, coloured by the style sheet of the page so that it
 * follows a light or dark scheme. Each curve is drawn faintly as it is and strongly as a running
 * mean.
 */
final class LineChart {
  private static final int WIDTH = 360;
  private static final int HEIGHT = 220;
  private static final int LEFT = 40;
  private static final int RIGHT = 60;
  private static final int TOP = 10;
  private static final int BOTTOM = 34;
  private static final int MOST_POINTS = 300;

  private record Point(double step, double loss) {}

  private final double lastStep;
  private final double tick;
  private final double top;
  private final List<String> names = new ArrayList<>();
  private final List<List<Point>> raw = new ArrayList<>();

  private LineChart(LossChart chart) {
    double most = 0;
    int longest = 1;
    for (LossCurve curve : chart.curves()) {
      List<Point> points = thinned(curve.losses());
      names.add(curve.name());
      raw.add(points);
      most = Math.max(most, points.stream().mapToDouble(Point::loss).max().orElse(0));
      longest = Math.max(longest, curve.losses().size());
    }
    lastStep = Math.max(longest, 2);
    tick = niceStep(Math.max(most, 1e-9) / 4);
    top = tick * Math.max(1, Math.ceil(most / tick));
  }

  static String svg(LossChart chart) {
    return new LineChart(chart).draw(chart.title());
  }

  /** Means of neighbours, so that a long run stays a small file. */
  private static List<Point> thinned(List<Double> losses) {
    int stride = Math.ceilDiv(Math.max(losses.size(), 1), MOST_POINTS);
    List<Point> points = new ArrayList<>();
    for (int from = 0; from < losses.size(); from += stride) {
      int to = Math.min(from + stride, losses.size());
      double sum = 0;
      int finite = 0;
      for (double loss : losses.subList(from, to)) {
        if (Double.isFinite(loss)) {
          sum += loss;
          finite++;
        }
      }
      if (finite > 0) {
        points.add(new Point((from + to + 1) / 2.0, sum / finite));
      }
    }
    return points;
  }

  private static List<Point> smoothed(List<Point> points) {
    // A window of a twentieth of the run on either side.
    int reach = points.size() / 20;
    List<Point> smooth = new ArrayList<>();
    for (int i = 0; i < points.size(); i++) {
      // Symmetric at the steep start; at the end it looks back only.
      int from = Math.max(0, i - reach);
      int to = Math.min(points.size(), i + Math.min(i, reach) + 1);
      double mean =
          points.subList(from, to).stream().mapToDouble(Point::loss).average().orElseThrow();
      smooth.add(new Point(points.get(i).step(), mean));
    }
    return smooth;
  }

  /** 1, 2 or 5 times a power of ten, at least the given number. */
  static double niceStep(double least) {
    double power = Math.pow(10, Math.floor(Math.log10(least)));
    for (int factor : new int[] {1, 2, 5}) {
      if (factor * power >= least * (1 - 1e-9)) {
        return factor * power;
      }
    }
    return 10 * power;
  }

  private double x(double step) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (step - 1) / (lastStep - 1);
  }

  private double y(double loss) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * loss / top;
  }

  private String draw(String title) {
    StringBuilder svg = new StringBuilder();
    svg.append(
        Html.format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\""
                + " aria-label=\"Loss over steps, %s\">%n",
            WIDTH, HEIGHT, Html.escape(title)));
    axes(svg);
    double lowest = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < raw.size(); i++) {
      if (raw.get(i).size() > 1) {
        String colour = "s" + (i % 4 + 1);
        line(svg, raw.get(i), "raw " + colour);
        line(svg, smoothed(raw.get(i)), "mean " + colour);
      }
    }
    // Labels at the ends of the curves, from the lowest loss (bottom) up, pushed apart.
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < raw.size(); i++) {
      if (!raw.get(i).isEmpty()) {
        order.add(i);
      }
    }
    order.sort((a, b) -> Double.compare(end(b).loss(), end(a).loss()));
    for (int i : order) {
      Point end = end(i);
      double height = Math.max(y(end.loss()) + 4, lowest + 13);
      lowest = height;
      svg.append(
          Html.format(
              "<text class=\"end t%d\" x=\"%.1f\" y=\"%.1f\">%.3g<title>%s</title></text>%n",
              i % 4 + 1, x(end.step()) + 6, height, end.loss(), Html.escape(names.get(i))));
    }
    return svg.append("</svg>\n").toString();
  }

  private Point end(int curve) {
    return smoothed(raw.get(curve)).getLast();
  }

  private void axes(StringBuilder svg) {
    for (int i = 0; i * tick <= top * (1 + 1e-9); i++) {
      double height = y(i * tick);
      svg.append(
          Html.format(
              "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                  + "<text class=\"axis\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>%n",
              LEFT, WIDTH - RIGHT, height, height, LEFT - 6, height + 4, number(i * tick)));
    }
    double step = niceStep(lastStep / 4);
    for (double at = step; at <= lastStep; at += step) {
      svg.append(
          Html.format(
              "<text class=\"axis\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>%n",
              x(at), HEIGHT - BOTTOM + 16, number(at)));
    }
    svg.append(
        Html.format(
            "<text class=\"axis\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">step</text>%n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3));
  }

  private static String number(double value) {
    if (value >= 10_000) {
      return Html.shortCount(value);
    }
    String text = Html.format("%.4f", value);
    return text.replaceAll("\\.?0+$", "");
  }

  private void line(StringBuilder svg, List<Point> points, String style) {
    svg.append("<polyline class=\"").append(style).append("\" points=\"");
    for (Point point : points) {
      svg.append(Html.format("%.1f,%.1f ", x(point.step()), y(point.loss())));
    }
    svg.setLength(svg.length() - 1);
    svg.append("\"/>\n");
  }
}
