package dev.theriac.backend;

import java.util.Objects;

/**
 * Whether a back end can be used on this machine and, if not, what is in the way.
 *
 * @param available whether {@link BackendProvider#create} would succeed
 * @param cause what was found: the device, or what is missing
 * @param remedy what the user can do; empty when there is nothing to do
 */
public record Availability(boolean available, String cause, String remedy) {
  public Availability {
    Objects.requireNonNull(cause, "cause");
    Objects.requireNonNull(remedy, "remedy");
  }

  /** Usable; {@code found} says what it runs on. */
  public static Availability of(String found) {
    return new Availability(true, found, "");
  }

  /** Not usable, why, and what would help. */
  public static Availability missing(String cause, String remedy) {
    return new Availability(false, cause, remedy);
  }

  /** Cause and remedy in one line. */
  @Override
  public String toString() {
    return remedy.isEmpty() ? cause : cause + "; " + remedy;
  }
}
