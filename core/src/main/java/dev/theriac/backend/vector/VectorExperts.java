package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Feed-forwards of experts: both products of the gated form share the packed rows, and the
 * activation is applied to each block while it is in the cache. Other steps go row by row, so that
 * a row's bits do not depend on the rows beside it.
 */
final class VectorExperts implements ExpertKernels {
  /** Elements of a task. */
  private static final long GRAIN = Grain.of(Grain.MOVE);

  @Override
  public void hidden(
      Rows x, Hidden weights, Strided offsets, Strided zGate, Strided zUp, Strided a) {
    GemmF32.run(
        new HiddenProducts(x, weights, offsets, zGate, zUp, a),
        VectorGrouped.forward(weights.gate(), weights.gated()));
  }

  /** a = act(gate) * up, or act(gate) where {@code up} is 0; a may be gate. */
  private static void activate(UnaryKind activation, long gate, long up, long a, int n) {
    if (up != 0 && activation == UnaryKind.SILU) {
      PairRanges.zip(BinaryKind.SWIGLU, gate, up, a, n);
      return;
    }
    UnaryRanges.map(activation, 0, 0, gate, a, n);
    if (up != 0) PairRanges.zip(BinaryKind.MUL, a, up, a, n);
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
    int n = VectorMatmul.size("columns", u.size(1));
    Workers.parallelRange(
        u.size(0),
        Math.max(1, GRAIN / Math.max(1, n)),
        (from, to) -> {
          long value = Workspace.get(Workspace.TASK, 8L * n);
          long scaled = value + 4L * n;
          int group = 0;
          for (long r = from; r < to; r++) {
            if (weights == null) {
              long o = 4 * r * n;
              long gate = zGate.address() + o;
              long up = zUp == null ? 0 : zUp.address() + o;
              long back = u.address() + o;
              activate(activation, gate, up, value, n);
              long toUp = dzUp == null ? 0 : dzUp.address() + o;
              gradient(activation, gate, up, back, dzGate.address() + o, toUp, n);
              UnaryRanges.map(null, 1, 0, value, back, n);
              continue;
            }
            while (VectorGrouped.offset(offsets, group + 1) <= r) group++;
            long place = 4 * Host.getLong(slot.address() + 8 * r);
            float s = Host.getFloat(weights.address() + place);
            long o = 4 * r * n;
            long gate = zGate.address() + o;
            long up = zUp == null ? 0 : zUp.address() + o;
            long back = u.address() + o;
            activate(activation, gate, up, value, n);
            if (weightGradient != null) {
              float sum = dot(back, value, n);
              if (downBias != null) {
                int d = VectorMatmul.size("columns", downBias.size(1));
                sum += dot(grad.address(r), VectorGrouped.row(downBias, group), d);
              }
              Host.setFloat(weightGradient.address() + place, sum);
            }
            UnaryRanges.map(null, s, 0, back, scaled, n);
            gradient(
                activation,
                gate,
                up,
                scaled,
                dzGate.address() + o,
                dzUp == null ? 0 : dzUp.address() + o,
                n);
            UnaryRanges.map(null, s, 0, value, back, n);
          }
        });
  }

  /** Gradients of gate and up from that of the activation output, {@code g}, which is spoiled. */
  private static void gradient(
      UnaryKind activation, long gate, long up, long g, long dGate, long dUp, int n) {
    if (up == 0) {
      UnaryRanges.gradient(activation, gate, gate, g, dGate, n);
    } else if (activation == UnaryKind.SILU) {
      PairRanges.swigluGradient(gate, up, g, dGate, dUp, n);
    } else {
      UnaryRanges.map(activation, 0, 0, gate, dUp, n);
      PairRanges.zip(BinaryKind.MUL, dUp, g, dUp, n);
      PairRanges.zip(BinaryKind.MUL, g, up, g, n);
      UnaryRanges.gradient(activation, gate, gate, g, dGate, n);
    }
  }

  private static float dot(long x, long y, int n) {
    int whole = n & -LENGTH;
    float sum = SumLoops.dot(x, y, whole, Tails.vectors(1));
    for (int i = whole; i < n; i++) {
      sum = Math.fma(Host.getFloat(x + 4L * i), Host.getFloat(y + 4L * i), sum);
    }
    return sum;
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
    int d = VectorMatmul.size("columns", o.size(1));
    long end = from + o.size(0);
    Workers.parallelRange(
        y.size(0),
        Math.max(1, GRAIN / Math.max(1, d)),
        (first, last) -> {
          for (long t = first; t < last; t++) {
            long start = Host.getLong(tokenStart.address() + 8 * t);
            long stop = Host.getLong(tokenStart.address() + 8 * (t + 1));
            long to = y.address() + 4 * t * d;
            if (start == stop && from == 0) Moves.clear(to, d);
            for (long i = start; i < stop; i++) {
              long row = Host.getLong(tokenRow.address() + 8 * i);
              if (row < from || row >= end) continue;
              long place = Host.getLong(slot.address() + 8 * row);
              float s = weights == null ? 1 : Host.getFloat(weights.address() + 4 * place);
              long value = o.address() + 4 * (row - from) * d;
              if (i == start) UnaryRanges.map(null, s, 0, value, to, d);
              else scaledAdd(value, s, to, d);
            }
          }
        });
  }

  private static void scaledAdd(long x, float scale, long y, int n) {
    int whole = n & -LENGTH;
    BinaryLoops.scaledAdd(x, scale, y, whole);
    for (int i = whole; i < n; i++) {
      long at = y + 4L * i;
      Host.setFloat(at, Math.fma(scale, Host.getFloat(x + 4L * i), Host.getFloat(at)));
    }
  }

  /** First products of all experts, with the activation at the end of each block. */
  private record HiddenProducts(
      Rows x, Hidden weights, Strided offsets, Strided zGate, Strided zUp, Strided a)
      implements VectorGrouped.RowProducts {

    @Override
    public long b(int g) {
      return VectorGrouped.matrix(weights.gate(), g);
    }

    @Override
    public long b2(int g) {
      return weights.gated() ? VectorGrouped.matrix(weights.up(), g) : 0;
    }

    @Override
    public long bias(int g) {
      return VectorGrouped.row(weights.gateBias(), g);
    }

    @Override
    public long bias2(int g) {
      return VectorGrouped.row(weights.upBias(), g);
    }

    @Override
    public long c(int g) {
      return block(zGate, g, 0, 0);
    }

    @Override
    public long c2(int g) {
      return weights.gated() ? block(zUp, g, 0, 0) : 0;
    }

    private long block(Strided z, int g, int row, int column) {
      return z.address() + 4 * ((VectorGrouped.offset(offsets, g) + row) * z.size(1) + column);
    }

    @Override
    public void finish(int g, int firstRow, int rows, int firstColumn, int columns) {
      long step = 4 * a.size(1);
      long gate = block(zGate, g, firstRow, firstColumn);
      long up = weights.gated() ? block(zUp, g, firstRow, firstColumn) : 0;
      long out = block(a, g, firstRow, firstColumn);
      for (int r = 0; r < rows; r++) {
        activate(weights.activation(), gate, up, out, columns);
        gate += step;
        if (up != 0) up += step;
        out += step;
      }
    }
  }
}
