/** The SIMD CPU back end; the only package that names {@code jdk.incubator.vector}. */
package dev.theriac.backend.vector;
