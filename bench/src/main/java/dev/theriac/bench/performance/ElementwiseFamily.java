package dev.theriac.bench.performance;

import static dev.theriac.bench.performance.Turns.IN_TURN;
import static dev.theriac.bench.performance.Turns.each;
import static dev.theriac.bench.performance.Turns.inTurn;

import dev.theriac.backend.Backend;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Functions of one and two elements, their gradients, and a transposing copy, beside libtorch. The
 * floor is that of a copy: bytes read and written.
 */
final class ElementwiseFamily implements Family {
  private static final long ROWS = 1024;
  private static final long COLUMNS = 2048;

  @Override
  public String name() {
    return "elementwise";
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    cases.add(of("add", 2, 1).wanted(0.95, 0.9));
    cases.add(of("exp", 1, 1).wanted(3.5, null));
    cases.add(of("silu", 1, 1).wanted(1.3, 0.9));
    cases.add(of("gelu", 1, 1).wanted(1.2, 0.9));
    cases.add(of("gelu-tanh", 1, 1).wanted(4.5, null));
    cases.add(of("swiglu", 2, 1));
    cases.add(of("gelu-tanh-gradient", 2, 1));
    cases.add(of("swiglu-gradient", 3, 2));
    cases.add(of("transpose", 1, 1));
    return cases;
  }

  /** A call takes {@link Turns#IN_TURN} sets of tensors; results are those of the last. */
  private static Case of(String operation, int inputs, int outputs) {
    double elements = (double) IN_TURN * ROWS * COLUMNS;
    Case c =
        Case.of(operation, IN_TURN + "x" + ROWS + "x" + COLUMNS)
            .work(0, 4 * elements * (inputs + outputs), Floor.COPY)
            .tolerance(2e-6, 2e-5);
    for (String name : List.of("x", "y", "g").subList(0, inputs)) {
      c = c.input(Input.f32(name, IN_TURN, ROWS, COLUMNS).scaled(4));
    }
    for (String name : List.of("out", "other").subList(0, outputs)) {
      boolean turned = operation.equals("transpose");
      long rows = turned ? COLUMNS : ROWS;
      long columns = turned ? ROWS : COLUMNS;
      c = c.input(Input.space(name, IN_TURN, rows, columns)).result(name, rows, columns);
    }
    return c;
  }

  @Override
  public Call ours(Case c, Inputs in, Backend backend) {
    var kernels = backend.elementwise();
    Strided[] x = each(in, "x");
    Strided[] out = each(in, "out");
    Strided last = out[IN_TURN - 1];
    return switch (c.operation()) {
      case "add", "swiglu" -> {
        BinaryKind kind = BinaryKind.valueOf(c.operation().toUpperCase(Locale.ROOT));
        Strided[] y = each(in, "y");
        yield Call.into(inTurn(i -> kernels.binary(kind, x[i], y[i], out[i])), last);
      }
      case "gelu-tanh-gradient" -> {
        Strided[] g = each(in, "y");
        yield Call.into(
            inTurn(i -> kernels.unaryGradient(UnaryKind.GELU_TANH, x[i], x[i], g[i], out[i])),
            last);
      }
      case "swiglu-gradient" -> {
        Strided[] y = each(in, "y");
        Strided[] g = each(in, "g");
        Strided[] other = each(in, "other");
        yield Call.into(
            inTurn(i -> kernels.swigluGradient(x[i], y[i], g[i], out[i], other[i])),
            last,
            other[IN_TURN - 1]);
      }
      case "transpose" -> {
        Strided[] turned = new Strided[IN_TURN];
        for (int i = 0; i < IN_TURN; i++) {
          turned[i] = in.tensor("x").select(0, i).transpose(0, 1).strided();
        }
        yield Call.into(inTurn(i -> kernels.copy(turned[i], out[i])), last);
      }
      default -> {
        String name = c.operation().replace('-', '_').toUpperCase(Locale.ROOT);
        UnaryKind kind = UnaryKind.valueOf(name);
        yield Call.into(inTurn(i -> kernels.unary(kind, x[i], out[i])), last);
      }
    };
  }
}
