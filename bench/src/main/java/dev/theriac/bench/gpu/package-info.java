/** What GPUs can do at most, and what they do. */
package dev.theriac.bench.gpu;
