/** The scalar CPU back end: plain loops, the oracle that the others are tested against. */
package dev.theriac.backend.scalar;
