package dev.theriac.vision.image;

/**
 * A picture as an encoder takes it.
 *
 * @param channels 3 for red, green and blue, or 1
 * @param height rows
 * @param width columns
 * @param values f32 {@code [channels, height, width]}: plane by plane, row by row; not copied
 */
public record PixelValues(int channels, int height, int width, float[] values) {}
