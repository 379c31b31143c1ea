/** What a long task shows while it runs: a bar on a terminal, plain lines elsewhere. */
package dev.theriac.cli.progress;
