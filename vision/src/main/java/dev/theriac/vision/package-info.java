/** Images, preprocessing, the ViT encoder, projectors. */
package dev.theriac.vision;
