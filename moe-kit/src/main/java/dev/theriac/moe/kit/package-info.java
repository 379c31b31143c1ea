/**
 * The compatibility kit: tests by ID that any back end runs, and the tools that they are made of.
 */
package dev.theriac.moe.kit;
