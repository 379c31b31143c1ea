/**
 * A GPU as the back end sees it: context, streams, events, memory, transfers and launches, over
 * JCuda's driver API. Every call is checked.
 */
package dev.theriac.cuda.device;
