package dev.theriac.cli.report;

import dev.theriac.moe.medmoe.RoutedAnswer;
import dev.theriac.vision.image.Image;

/**
 * What the page of an answer's routing shows.
 *
 * @param question as it was asked
 * @param answer with the routing of every token
 * @param seen the picture as the encoder saw it, square
 * @param patch edge of a patch in pixels of {@code seen}
 */
public record RouteData(String question, RoutedAnswer answer, Image seen, int patch) {}
