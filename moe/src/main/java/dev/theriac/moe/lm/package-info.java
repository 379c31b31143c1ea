/** Language models whose feed-forwards are mixtures of experts. */
package dev.theriac.moe.lm;
