/** Every operation of a model beside its floor and a rival: the table of docs/PERFORMANCE.md. */
package dev.theriac.bench.performance;
