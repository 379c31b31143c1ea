/** The training loop. */
package dev.theriac.train;
