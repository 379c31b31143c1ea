/** The three stages, the training of the router, and evaluation. */
package dev.theriac.moe.medmoe.train;
