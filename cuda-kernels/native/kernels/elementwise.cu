// Elementwise kernels on floats. Outputs are contiguous; inputs have the output's shape and any strides.
// What a kernel does is an argument, the same for all threads, and is looked at once for four elements.
// Outputs may be the same memory as an input of the same layout, so no pointer is __restrict__.
#include "dev.cuh"

#include "functions.cuh"
#include "places.cuh"

namespace elementwise {

using namespace dv;

// out[i] = value
extern "C" __global__ void __launch_bounds__(256)
    elementwise_fill_f32(float* __restrict__ out, long long count, float value) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = value;
}
CU_EXPORT(elementwise_fill_f32);

// out[i] = in[i] * scale + shift, rounded once
extern "C" __global__ void __launch_bounds__(256)
    elementwise_affine(const float* in, float* out, long long count, float scale, float shift) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = fmaf(in[i], scale, shift);
}
CU_EXPORT(elementwise_affine);

// In the order of dev.theriac.backend.UnaryKind.
enum Unary { NEG, ABS, EXP, LOG, SQRT, RSQRT, SQUARE, RECIPROCAL, SIN, COS, TANH, SIGMOID, RELU, SILU, GELU,
             GELU_TANH, QUICK_GELU };

// In the order of dev.theriac.backend.BinaryKind.
enum Binary { ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SWIGLU };

DV void apply(int kind, float (&v)[4]) {
  switch (kind) {
    case NEG:
      return map4(v, [](float x) { return -x; });
    case ABS:
      return map4(v, [](float x) { return fabsf(x); });
    case EXP:
      return map4(v, [](float x) { return expf(x); });
    case LOG:
      return map4(v, [](float x) { return logf(x); });
    case SQRT:
      return map4(v, [](float x) { return sqrtf(x); });
    case RSQRT:
      return map4(v, [](float x) { return 1.0f / sqrtf(x); });
    case SQUARE:
      return map4(v, [](float x) { return x * x; });
    case RECIPROCAL:
      return map4(v, [](float x) { return 1.0f / x; });
    case SIN:
      return map4(v, [](float x) { return sinf(x); });
    case COS:
      return map4(v, [](float x) { return cosf(x); });
    case TANH:
      return map4(v, [](float x) { return tanhf(x); });
    case SIGMOID:
      return map4(v, [](float x) { return sigmoid(x); });
    case RELU:
      return map4(v, [](float x) { return relu(x); });
    case SILU:
      return map4(v, [](float x) { return silu(x); });
    case GELU:
      return map4(v, [](float x) { return gelu(x); });
    case GELU_TANH:
      return map4(v, [](float x) { return gelu_tanh(x); });
    default:
      return map4(v, [](float x) { return quick_gelu(x); });
  }
}

// grad becomes grad * f'(x). Factors are taken one by one where a product of them alone would overflow.
DV void apply_gradient(int kind, float (&grad)[4], const float (&v)[4]) {
  switch (kind) {
    case NEG:
      return map4(grad, v, [](float g, float) { return -g; });
    case ABS:
      return map4(grad, v, [](float g, float x) { return g * (x > 0 ? 1.0f : x < 0 ? -1.0f : x); });
    case EXP:
      return map4(grad, v, [](float g, float x) { return g * expf(x); });
    case LOG:
      return map4(grad, v, [](float g, float x) { return g / x; });
    case SQRT:
      return map4(grad, v, [](float g, float x) { return g * (0.5f / sqrtf(x)); });
    case RSQRT:
      return map4(grad, v, [](float g, float x) {
        float r = 1.0f / sqrtf(x + 0.0f);  // -0 like +0
        return -0.5f * g * r * r * r;
      });
    case SQUARE:
      return map4(grad, v, [](float g, float x) { return 2.0f * (g * x); });
    case RECIPROCAL:
      return map4(grad, v, [](float g, float x) {
        float r = 1.0f / x;
        return -(g * r * r);
      });
    case SIN:
      return map4(grad, v, [](float g, float x) { return g * cosf(x); });
    case COS:
      return map4(grad, v, [](float g, float x) { return g * -sinf(x); });
    case TANH:
      return map4(grad, v, [](float g, float x) { return g * (4.0f * sigmoid(2.0f * x) * sigmoid(-2.0f * x)); });
    case SIGMOID:
      return map4(grad, v, [](float g, float x) { return g * (sigmoid(x) * sigmoid(-x)); });
    case RELU:
      return map4(grad, v, [](float g, float x) { return g * (x > 0 ? 1.0f : 0.0f); });
    case SILU:
      return map4(grad, v, [](float g, float x) { return g * silu_derivative(x); });
    case GELU:
      return map4(grad, v, [](float g, float x) { return g * gelu_derivative(x); });
    case GELU_TANH:
      return map4(grad, v, [](float g, float x) { return g * gelu_tanh_derivative(x); });
    default:
      return map4(grad, v, [](float g, float x) { return g * silu_derivative(quick_slope * x); });
  }
}

DV void apply_binary(int kind, float (&a)[4], const float (&b)[4]) {
  switch (kind) {
    case ADD:
      return map4(a, b, [](float x, float y) { return x + y; });
    case SUB:
      return map4(a, b, [](float x, float y) { return x - y; });
    case MUL:
      return map4(a, b, [](float x, float y) { return x * y; });
    case DIV:
      return map4(a, b, [](float x, float y) { return x / y; });
    case MAXIMUM:
      return map4(a, b, [](float x, float y) { return maximum(x, y); });
    case MINIMUM:
      return map4(a, b, [](float x, float y) { return minimum(x, y); });
    default:
      return map4(a, b, [](float x, float y) { return silu(x) * y; });
  }
}

extern "C" __global__ void __launch_bounds__(256)
    elementwise_unary(int kind, const float* x, float* out, const __grid_constant__ Places<1> places, long long count,
                      int quads) {
  Share share = share_of(count, quads);
  if (share.size == 0) return;
  const float* base[1] = {x};
  float v[1][4];
  read_share<1>(base, places, count, quads, share, v);
  apply(kind, v[0]);
  write_share(out, quads, share, v[0]);
}
CU_EXPORT(elementwise_unary);

// dx = grad * f'(x)
extern "C" __global__ void __launch_bounds__(256)
    elementwise_unary_gradient(int kind, const float* grad, const float* x, float* dx,
                               const __grid_constant__ Places<2> places, long long count, int quads) {
  Share share = share_of(count, quads);
  if (share.size == 0) return;
  const float* base[2] = {grad, x};
  float v[2][4];
  read_share<2>(base, places, count, quads, share, v);
  apply_gradient(kind, v[0], v[1]);
  write_share(dx, quads, share, v[0]);
}
CU_EXPORT(elementwise_unary_gradient);

extern "C" __global__ void __launch_bounds__(256)
    elementwise_binary(int kind, const float* a, const float* b, float* out, const __grid_constant__ Places<2> places,
                       long long count, int quads) {
  Share share = share_of(count, quads);
  if (share.size == 0) return;
  const float* base[2] = {a, b};
  float v[2][4];
  read_share<2>(base, places, count, quads, share, v);
  apply_binary(kind, v[0], v[1]);
  write_share(out, quads, share, v[0]);
}
CU_EXPORT(elementwise_binary);

// Gradients of silu(gate) * up.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_swiglu_gradient(const float* gate, const float* up, const float* grad, float* dgate, float* dup,
                                const __grid_constant__ Places<3> places, long long count, int quads) {
  Share share = share_of(count, quads);
  if (share.size == 0) return;
  const float* base[3] = {gate, up, grad};
  float v[3][4];
  read_share<3>(base, places, count, quads, share, v);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    float a = v[0][j];
    v[0][j] = v[2][j] * v[1][j] * silu_derivative(a);
    v[1][j] = v[2][j] * silu(a);
  }
  write_share(dgate, quads, share, v[0]);
  write_share(dup, quads, share, v[1]);
}
CU_EXPORT(elementwise_swiglu_gradient);

// out = x * mul + add, rounded once.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_multiply_add(const float* x, float mul, float add, float* out,
                             const __grid_constant__ Places<1> places, long long count, int quads) {
  Share share = share_of(count, quads);
  if (share.size == 0) return;
  const float* base[1] = {x};
  float v[1][4];
  read_share<1>(base, places, count, quads, share, v);
  map4(v[0], [=](float value) { return fmaf(value, mul, add); });
  write_share(out, quads, share, v[0]);
}
CU_EXPORT(elementwise_multiply_add);

// out[i] = x[i] / kept where the uniform number of Philox word offset + i is at least p, else 0. The quotient
// is taken in float64 and rounded, as on the CPU.
extern "C" __global__ void __launch_bounds__(256)
    elementwise_dropout(const float* x, float* out, long long count, float p, double kept, long long seed,
                        long long stream, long long offset) {
  long long first = 4 * quad_index();
  if (first >= count) return;
  unsigned long long word = (unsigned long long)(offset + first);
  uint4 block = philox_block(seed, stream, word >> 2);
#pragma unroll
  for (int j = 0; j < 4; j++, word++) {
    if (first + j >= count) return;
    if (j > 0 && (word & 3) == 0) block = philox_block(seed, stream, word >> 2);
    int lane = int(word & 3);
    unsigned bits = lane == 0 ? block.x : lane == 1 ? block.y : lane == 2 ? block.z : block.w;
    bool keep = philox_uniform(bits) >= p;
    out[first + j] = keep ? float(double(x[first + j]) / kept) : 0.0f;
  }
}
CU_EXPORT(elementwise_dropout);

}  // namespace elementwise
