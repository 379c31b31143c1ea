/** The operation families: records of what is computed, and their gradients. */
package dev.theriac.op;
