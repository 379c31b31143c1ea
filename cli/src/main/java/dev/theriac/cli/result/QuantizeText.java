package dev.theriac.cli.result;

import dev.theriac.cli.result.QuantizeResult.Comparison;
import dev.theriac.tensor.QuantisedFormat;
import java.io.PrintWriter;
import java.util.Locale;

/** A {@link QuantizeResult} as people read it. */
public final class QuantizeText {
  private final PrintWriter out;

  private QuantizeText(PrintWriter out) {
    this.out = out;
  }

  /**
   * Prints it.
   *
   * @param filled weights with sizes that 64 does not divide
   */
  public static void print(PrintWriter out, QuantizeResult all, long filled) {
    QuantizeText text = new QuantizeText(out);
    text.weights(all, filled);
    if (all.comparison() != null) text.comparison(all.comparison());
  }

  private void weights(QuantizeResult all, long filled) {
    line(
        "quantised",
        "%d weights of %,d values to %s",
        all.weights().size(),
        all.quantisedValues(),
        all.format());
    line("kept", "%d tensors", all.keptTensors());
    line(
        "bytes",
        "%,d, were %,d (%.1f %%)",
        all.bytesAfter(),
        all.bytesBefore(),
        100.0 * all.bytesAfter() / all.bytesBefore());
    if (filled > 0) {
      line(
          "note",
          "%d weights have sizes that %d does not divide: they are filled up to that",
          filled,
          QuantisedFormat.GROUP);
    }
    out.printf("%n%-12s  %7s  %10s  %11s%n", "projection", "weights", "mean error", "worst error");
    all.projections()
        .forEach((name, p) ->
            out.printf(
                Locale.ROOT,
                "%-12s  %7d  %10.5f  %11.5f%n",
                name,
                p.count(),
                p.meanError(),
                p.worstError()));
  }

  private void comparison(Comparison c) {
    out.println();
    line("compared", "%,d tokens (%s), %d at once", c.tokens(), c.source(), c.window());
    line(
        "logits",
        "relative difference %.5f, at most %.5f",
        c.logitsMeanRelative(),
        c.logitsMaxRelative());
    line("divergence", "%.3e nats, at most %.3e", c.meanDivergence(), c.maxDivergence());
    line("same choice", "%.2f %%", 100 * c.topAgreement());
    if (c.loss() == null) return;
    line("loss", "%.5f, was %.5f", c.quantisedLoss(), c.loss());
    line("perplexity", "%.4f, was %.4f", c.quantisedPerplexity(), c.perplexity());
  }

  private void line(String name, String format, Object... values) {
    out.printf("%-12s  %s%n", name, String.format(Locale.ROOT, format, values));
  }
}
