package dev.theriac.bench.performance;

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

  private static Case of(String operation, int inputs, int outputs) {
    double elements = (double) ROWS * COLUMNS;
    Case c =
        Case.of(operation, ROWS + "x" + COLUMNS)
            .work(0, 4 * elements * (inputs + outputs), Floor.COPY)
            .tolerance(2e-6, 2e-5);
    for (String name : List.of("x", "y", "g").subList(0, inputs)) {
      c = c.input(Input.f32(name, ROWS, COLUMNS).scaled(4));
    }
    for (String name : List.of("out", "other").subList(0, outputs)) {
      boolean turned = operation.equals("transpose");
      long[] shape = turned ? new long[] {COLUMNS, ROWS} : new long[] {ROWS, COLUMNS};
      c = c.input(Input.space(name, shape)).result(name, shape);
    }
    return c;
  }

  @Override
  public Call ours(Case c, Inputs in, Backend backend) {
    var kernels = backend.elementwise();
    Strided x = in.strided("x");
    Strided out = in.strided("out");
    return switch (c.operation()) {
      case "add", "swiglu" -> {
        BinaryKind kind = BinaryKind.valueOf(c.operation().toUpperCase(Locale.ROOT));
        Strided y = in.strided("y");
        yield Call.into(() -> kernels.binary(kind, x, y, out), out);
      }
      case "gelu-tanh-gradient" -> {
        Strided g = in.strided("y");
        yield Call.into(() -> kernels.unaryGradient(UnaryKind.GELU_TANH, x, x, g, out), out);
      }
      case "swiglu-gradient" -> {
        Strided y = in.strided("y");
        Strided g = in.strided("g");
        Strided other = in.strided("other");
        yield Call.into(() -> kernels.swigluGradient(x, y, g, out, other), out, other);
      }
      case "transpose" -> {
        Strided turned = in.tensor("x").transpose(0, 1).strided();
        yield Call.into(() -> kernels.copy(turned, out), out);
      }
      default -> {
        String name = c.operation().replace('-', '_').toUpperCase(Locale.ROOT);
        UnaryKind kind = UnaryKind.valueOf(name);
        yield Call.into(() -> kernels.unary(kind, x, out), out);
      }
    };
  }
}
