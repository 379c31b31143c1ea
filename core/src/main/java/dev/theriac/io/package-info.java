/** File formats: safetensors, npz, checkpoints. */
package dev.theriac.io;
