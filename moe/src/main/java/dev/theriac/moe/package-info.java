/** Routers, dispatch, experts, mixture-of-experts layers and their losses. */
package dev.theriac.moe;
