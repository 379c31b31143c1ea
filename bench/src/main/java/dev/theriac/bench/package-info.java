/** JMH benchmarks. */
package dev.theriac.bench;
