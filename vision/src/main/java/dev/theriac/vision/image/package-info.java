/** Pictures: reading and writing files, and preprocessing for an image encoder. */
package dev.theriac.vision.image;
