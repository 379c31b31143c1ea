package dev.theriac.moe;

import java.util.concurrent.atomic.AtomicBoolean;

/** Tells of tokens whose routing means nothing. */
final class Unusable {
  private static final System.Logger LOG = System.getLogger("dev.theriac.moe");

  private Unusable() {}

  /** Warns when there are such rows, unless {@code warned} says that somebody did. */
  static void warnOnce(AtomicBoolean warned, long[] rows, int tokens) {
    if (rows.length == 0 || !warned.compareAndSet(false, true)) return;
    LOG.log(
        System.Logger.Level.WARNING,
        "moe: the router decides nothing for %d of %d tokens, the first at flat position %d (NaN, or no"
                .formatted(rows.length, tokens, rows[0])
            + " finite highest logit): they go to experts by the order alone; look for an overflow"
            + " in the layers before, or for a damaged checkpoint. Said once for this layer, the"
            + " side output's unusable() names all");
  }
}
