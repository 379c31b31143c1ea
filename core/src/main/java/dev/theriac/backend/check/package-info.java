/** One small call of every kernel, for comparing back ends with the scalar one. */
package dev.theriac.backend.check;
