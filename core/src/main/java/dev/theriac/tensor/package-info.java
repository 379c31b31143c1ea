/**
 * Off-heap tensors: storage, layout, dtypes, scopes, the memory pool, and automatic
 * differentiation.
 */
package dev.theriac.tensor;
