/** Configuration files: JSON bound to records, with errors that say where and what instead. */
package dev.theriac.cli.config;
