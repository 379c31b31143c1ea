/** A whole training run: data, the three stages, evaluation, and the files it leaves. */
package dev.theriac.cli.run;
