// All kernels as one translation unit, for nvcc: one PTX module. The host compiler takes each file by itself.
#include "elementwise.cu"
#include "matmul.cu"
#include "moves.cu"
#include "grouped.cu"
#include "experts.cu"
#include "norm.cu"
