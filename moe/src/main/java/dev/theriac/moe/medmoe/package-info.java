/** Med-MoE: the model, its three training stages, data sets, metrics. */
package dev.theriac.moe.medmoe;
