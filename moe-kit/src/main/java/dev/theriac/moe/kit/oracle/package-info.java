/**
 * A mixture-of-experts layer as plain loops over {@code double} arrays, token by token: what the
 * engine is compared with. It shares no arithmetic with the engine, and its own gradients are held
 * to central differences.
 */
package dev.theriac.moe.kit.oracle;
