/** Data sets for Med-MoE, among them the built-in synthetic phantoms. */
package dev.theriac.moe.medmoe.data;
