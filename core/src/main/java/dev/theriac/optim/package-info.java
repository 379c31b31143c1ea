/** Optimisers, learning-rate schedules, gradient clipping. */
package dev.theriac.optim;
