// The activations of feed-forwards by number; their Java names are those of UnaryKind.
#pragma once
#include "dev.cuh"
#include "functions.cuh"

namespace dv {

enum Activation {
  ACTIVATION_RELU = 0,
  ACTIVATION_SILU = 1,
  ACTIVATION_GELU = 2,
  ACTIVATION_GELU_TANH = 3,
  ACTIVATION_QUICK_GELU = 4
};

DV float activate(int kind, float z) {
  switch (kind) {
    case ACTIVATION_RELU:
      return relu(z);
    case ACTIVATION_SILU:
      return silu(z);
    case ACTIVATION_GELU:
      return gelu(z);
    case ACTIVATION_QUICK_GELU:
      return quick_gelu(z);
    default:
      return gelu_tanh(z);
  }
}

DV float activation_derivative(int kind, float z) {
  switch (kind) {
    case ACTIVATION_RELU:
      return z > 0 ? 1.0f : 0.0f;
    case ACTIVATION_SILU:
      return silu_derivative(z);
    case ACTIVATION_GELU:
      return gelu_derivative(z);
    case ACTIVATION_QUICK_GELU:
      return silu_derivative(quick_slope * z);
    default:
      return gelu_tanh_derivative(z);
  }
}

}  // namespace dv
