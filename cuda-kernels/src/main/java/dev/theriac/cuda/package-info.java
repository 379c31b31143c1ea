/** The CUDA back end. */
package dev.theriac.cuda;
