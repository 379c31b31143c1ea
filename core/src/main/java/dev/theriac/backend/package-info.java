/** The kernel interfaces that a back end implements, and the choice of a back end. */
package dev.theriac.backend;
