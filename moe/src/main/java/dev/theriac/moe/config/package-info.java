/** Configuration files of models. */
package dev.theriac.moe.config;
