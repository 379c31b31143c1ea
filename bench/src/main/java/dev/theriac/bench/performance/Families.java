package dev.theriac.bench.performance;

import java.util.List;

/** All families, in the order of the table. */
public final class Families {
  private Families() {}

  /** A line for each, so that branches that add some do not meet. */
  public static List<Family> all() {
    return List.of(
        new GemmFamily(), //
        new AttentionFamily(), //
        new ElementwiseFamily(), //
        new GemvFamily(), //
        new BlocksFamily(), //
        new QuantisedFamily(), //
        new RowsFamily(), //
        new WorkersFamily() //
        );
  }

  /**
   * @throws IllegalArgumentException for a name that is not among {@link #all()}
   */
  public static Family of(String name) {
    for (Family family : all()) {
      if (family.name().equals(name)) return family;
    }
    throw new IllegalArgumentException("no family " + name);
  }
}
