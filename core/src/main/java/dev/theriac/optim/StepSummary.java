package dev.theriac.optim;

/**
 * What one step of an optimiser did to stacked parameters.
 *
 * @param slices slices of the stacked parameters that are trained, such as one for each expert and
 *     weight
 * @param untouched those among them that were not stepped: because their gradient was zero
 *     throughout, or because no gradient at all reached their parameter, all of whose slices then
 *     count here, whatever {@link WithoutGradient} says; 0 with {@link Untouched#STEP}
 */
public record StepSummary(long slices, long untouched) {}
