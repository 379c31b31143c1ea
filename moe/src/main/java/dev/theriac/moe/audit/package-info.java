/** Records of routing: written as a hash-chained trail, read back, replayed, and counted. */
package dev.theriac.moe.audit;
