package dev.theriac.moe.audit;

/** Takes records one by one: a file, a table of counts, a list. */
@FunctionalInterface
public interface RouteSink {
  void add(RouteRecord record);

  /** Hands each record to this and then to {@code next}. */
  default RouteSink and(RouteSink next) {
    return record -> {
      add(record);
      next.add(record);
    };
  }
}
