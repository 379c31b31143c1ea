/** Scores of visual question answering as the published Med-MoE results were computed. */
package dev.theriac.moe.medmoe.metrics;
