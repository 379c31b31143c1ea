/** The self-contained HTML report of a training run. */
package dev.theriac.cli.report;
