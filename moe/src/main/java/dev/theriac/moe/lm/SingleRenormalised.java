package dev.theriac.moe.lm;

/**
 * One expert for each token with renormalised weights, as some published configurations say: the
 * model answers like any other, but the weight is always the same, so that the loss of the text
 * gives the router no gradient.
 */
final class SingleRenormalised {
  private static final System.Logger LOG = System.getLogger("dev.theriac.moe");

  private SingleRenormalised() {}

  /** Says what follows for {@code what}. */
  static void warn(Object what) {
    LOG.log(
        System.Logger.Level.WARNING,
        "{0}: one expert for each token with renormalised weights; the weight is constant and only"
            + " auxiliary losses train the router",
        what);
  }
}
