package dev.theriac.bench.performance;

import java.util.ArrayList;
import java.util.List;

/** All families, in the order of the table. */
public final class Families {
  private Families() {}

  /** A line for each, so that branches that add some do not meet. */
  public static List<Family> all() {
    List<Family> all = new ArrayList<>();
    all.add(new GemmFamily());
    all.add(new AttentionFamily());
    all.add(new ElementwiseFamily());
    all.add(new GemvFamily());
    all.add(new QuantisedFamily());
    all.add(new RowsFamily());
    all.add(new WorkersFamily());
    all.add(new BlocksFamily());
    all.add(new StepsFamily());
    return all;
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
