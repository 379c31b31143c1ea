/** What every benchmark shares: engines in processes of their own, rounds, bounds, reports. */
package dev.theriac.bench.frame;
