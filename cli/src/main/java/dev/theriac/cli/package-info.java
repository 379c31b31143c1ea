/** The {@code theriac} command. */
package dev.theriac.cli;
