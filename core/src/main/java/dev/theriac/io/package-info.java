/** File formats: safetensors, the zip files of PyTorch, npz, checkpoints. */
package dev.theriac.io;
