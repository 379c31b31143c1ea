/** Records of a run that machines read: the log of its steps and the table of its results. */
package dev.theriac.cli.result;
