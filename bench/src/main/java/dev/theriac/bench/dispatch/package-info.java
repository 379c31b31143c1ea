/** The mixture-of-experts layer stage by stage, beside libtorch. */
package dev.theriac.bench.dispatch;
