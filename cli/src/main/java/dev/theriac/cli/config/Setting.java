package dev.theriac.cli.config;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Describes one key of a configuration: a component of a record that {@link ConfigReader} binds.
 * Without this annotation a plain value must be given, and a section that is left out is filled
 * with its defaults.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Setting {
  /** Stands for "has no default". */
  String NONE = "\0";

  /** The value if the key is left out, as it would stand in the file without quotes. */
  String value() default NONE;

  /** Whether the key may be left out and is then null. */
  boolean optional() default false;

  /** Smallest number allowed. */
  double min() default Double.NEGATIVE_INFINITY;

  /** Largest number allowed. */
  double max() default Double.POSITIVE_INFINITY;
}
