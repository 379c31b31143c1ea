/** What {@code theriac inspect} finds out about model directories. */
package dev.theriac.cli.inspect;
