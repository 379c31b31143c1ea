package dev.theriac.cuda;

import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;

/** Gate and up products of a tile share its rows; the rest goes row by row. */
final class CudaExperts implements ExpertKernels {
  private static final int ROW_THREADS = 128;
  private static final int COMBINE_THREADS = 128;

  private final CudaDevice device;
  private final Precision precision;
  private final CudaGrouped grouped;

  CudaExperts(CudaDevice device, Precision precision) {
    this.device = device;
    this.precision = precision;
    grouped = new CudaGrouped(device, precision);
  }

  private static int number(UnaryKind activation) {
    return switch (activation) {
      case RELU -> 0;
      case SILU -> 1;
      case GELU -> 2;
      case GELU_TANH -> 3;
      case QUICK_GELU -> 4;
      default ->
          throw new IllegalArgumentException(
              "experts: activation %s; there are RELU, SILU, GELU, GELU_TANH and QUICK_GELU"
                  .formatted(activation));
    };
  }

  @Override
  public void hidden(
      Rows x, Hidden weights, Strided offsets, Strided zGate, Strided zUp, Strided a) {
    int activation = number(weights.activation());
    Strided gate = weights.gate();
    if (!weights.gated()) {
      grouped.activated(x, gate, weights.gateBias(), offsets, zGate, a, activation);
      return;
    }
    if (a.size() == 0) return;
    if (gate.dtype() != weights.up().dtype()) {
      throw new IllegalArgumentException(
          "experts: gate is %s, up is %s; both have one type".formatted(gate, weights.up()));
    }
    long groups = gate.size(0);
    Tiles tiles = Tiles.pair(precision);
    long numbers = tiles.numbers(a.size(0), groups);
    Tiles.rows(tiles.launch(device, "experts_hidden", 2), x)
        .grid(numbers * Tiles.ceiling(a.size(1), tiles.size()))
        .pointer(gate)
        .pointer(weights.gateBias())
        .pointer(weights.up())
        .pointer(weights.upBias())
        .pointer(offsets)
        .pointer(zGate)
        .pointer(zUp)
        .pointer(a)
        .struct(
            new StructBytes(4, 2)
                .longs(groups, a.size(1), gate.size(2), numbers)
                .ints(Tiles.type(gate), activation)
                .segment())
        .run();
  }

  @Override
  public void hiddenGradient(
      UnaryKind activation,
      Strided slot,
      Strided weights,
      Strided offsets,
      Rows grad,
      Strided downBias,
      Strided zGate,
      Strided zUp,
      Strided u,
      Strided dzGate,
      Strided dzUp,
      Strided weightGradient) {
    int number = number(activation);
    if (u.size(0) == 0) return;
    boolean biased = downBias != null;
    device
        .kernel("experts_hidden_gradient")
        .grid(u.size(0))
        .block(ROW_THREADS)
        .pointer(slot)
        .pointer(weights)
        .pointer(offsets)
        .pointer(biased ? grad.values() : null)
        .pointer(biased ? grad.index() : null)
        .pointer(downBias)
        .pointer(zGate)
        .pointer(zUp)
        .pointer(u)
        .pointer(dzGate)
        .pointer(dzUp)
        .pointer(weightGradient)
        .struct(
            new StructBytes(3, 1)
                .longs(offsets.size() - 1, u.size(1), biased ? downBias.size(1) : 0)
                .ints(number)
                .segment())
        .run();
  }

  @Override
  public void combine(
      Strided o,
      long from,
      Strided weights,
      Strided slot,
      Strided tokenStart,
      Strided tokenRow,
      Strided y) {
    if (y.size() == 0) return;
    device
        .kernel("experts_combine")
        .grid(y.size(0), Tiles.ceiling(y.size(1), COMBINE_THREADS), 1)
        .block(COMBINE_THREADS)
        .pointer(o)
        .pointer(weights)
        .pointer(slot)
        .pointer(tokenStart)
        .pointer(tokenRow)
        .pointer(y)
        .struct(new StructBytes(3, 0).longs(y.size(1), from, from + o.size(0)).segment())
        .run();
  }
}
