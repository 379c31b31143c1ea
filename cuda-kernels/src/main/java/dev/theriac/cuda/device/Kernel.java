package dev.theriac.cuda.device;

import jcuda.driver.CUfunction;

/**
 * A kernel of a loaded module.
 *
 * @param name as in its source
 * @param function of the driver
 * @param parameters bytes of each parameter
 */
record Kernel(String name, CUfunction function, int[] parameters) {}
