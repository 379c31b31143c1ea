/** Layers and modules. */
package dev.theriac.nn;
