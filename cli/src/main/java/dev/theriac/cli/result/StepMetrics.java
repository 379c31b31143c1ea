package dev.theriac.cli.result;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * One line of {@code metrics.jsonl}: what was measured at a training step.
 *
 * @param stage name of the stage
 * @param step optimiser steps done in the stage, from 1
 * @param steps optimiser steps of the whole stage
 * @param seconds since the stage began
 * @param loss of the step
 * @param learningRate of the step
 * @param gradNorm global norm of the gradient before clipping
 * @param tokensPerSecond positions processed per second, pictures included
 * @param validation accuracy or loss on validation data measured after this step, or null
 * @param untouched weights of experts that were not stepped because no token reached them, or null
 *     (left out) when experts are not trained
 */
public record StepMetrics(
    @JsonProperty(required = true) String stage,
    @JsonProperty(required = true) long step,
    @JsonProperty(required = true) long steps,
    @JsonProperty(required = true) double seconds,
    @JsonProperty(required = true) double loss,
    @JsonProperty(required = true) double learningRate,
    @JsonProperty(required = true) double gradNorm,
    @JsonProperty(required = true) double tokensPerSecond,
    Double validation,
    @JsonInclude(JsonInclude.Include.NON_NULL) Long untouched) {}
