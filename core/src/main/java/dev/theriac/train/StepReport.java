package dev.theriac.train;

import dev.theriac.optim.StepSummary;

/**
 * One finished optimiser step.
 *
 * @param step its number; the first is 1
 * @param steps how many there will be
 * @param loss weighted sum over the micro-batches
 * @param lr learning rate of the first parameter group in this step
 * @param gradNorm global norm of the gradients before clipping
 * @param tokens in all micro-batches, as the task counts them
 * @param seconds wall time of forward, backward and update
 * @param update what happened to the slices of stacked parameters, such as experts
 */
public record StepReport(
    long step,
    long steps,
    double loss,
    double lr,
    double gradNorm,
    long tokens,
    double seconds,
    StepSummary update) {}
