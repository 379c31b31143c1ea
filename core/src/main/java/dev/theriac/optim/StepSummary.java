package dev.theriac.optim;

/**
 * What one step of an optimiser did to stacked parameters.
 *
 * @param slices slices of the stacked parameters that are trained, such as one for each expert and
 *     weight
 * @param untouched those among them that were not stepped because their gradient was zero
 *     throughout; 0 with {@link Untouched#STEP}
 */
public record StepSummary(long slices, long untouched) {}
