package dev.theriac.backend.check;

import dev.theriac.backend.Backends;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;

/** Element by element, and moves of rows and patches. */
final class ElementChecks {
  private ElementChecks() {}

  static void addTo(KernelChecks checks) {
    functions(checks);
    copies(checks);
    rows(checks);
  }

  private static void functions(KernelChecks checks) {
    for (UnaryKind kind : UnaryKind.values()) {
      checks.add(
          "elementwise.unary",
          kind.name(),
          a -> {
            Strided x = unary(a, kind);
            Strided y = a.result(a.rows, a.columns);
            return b -> b.elementwise().unary(kind, x, y);
          });
      checks.add(
          "elementwise.unaryGradient",
          kind.name(),
          a -> {
            Strided x = unary(a, kind);
            Strided grad = a.random(a.rows, a.columns);
            Strided y = a.random(a.rows, a.columns);
            Backends.scalar().elementwise().unary(kind, x, y);
            Strided dx = a.result(a.rows, a.columns);
            return b -> b.elementwise().unaryGradient(kind, x, y, grad, dx);
          });
    }
    for (BinaryKind kind : BinaryKind.values()) {
      checks.add(
          "elementwise.binary",
          kind.name(),
          a -> {
            Strided x = a.random(a.rows, a.columns);
            Strided y = a.positive(a.rows, a.columns);
            Strided out = a.result(a.rows, a.columns);
            return b -> b.elementwise().binary(kind, x, y, out);
          });
    }
    checks.add(
        "elementwise.binary",
        "of a row and a transposed matrix",
        a -> {
          Strided row = a.random(1, a.columns);
          Strided x = row.with(row.layout().expand(a.rows, a.columns));
          Strided y = a.transposed(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().binary(BinaryKind.ADD, x, y, out);
        });
    checks.add(
        "elementwise.swigluGradient",
        a -> {
          Strided gate = a.random(a.rows, a.columns);
          Strided up = a.random(a.rows, a.columns);
          Strided grad = a.random(a.rows, a.columns);
          Strided dgate = a.result(a.rows, a.columns);
          Strided dup = a.result(a.rows, a.columns);
          return b -> b.elementwise().swigluGradient(gate, up, grad, dgate, dup);
        });
    for (CompareKind kind : CompareKind.values()) {
      checks.add(
          "elementwise.compare",
          kind.name(),
          a -> {
            Strided x = a.whole(a.rows, a.columns);
            Strided y = a.whole(a.rows, a.columns);
            Strided out = a.result(DType.BOOL, a.rows, a.columns);
            return b -> b.elementwise().compare(kind, x, y, out);
          });
    }
  }

  private static Strided unary(Arguments a, UnaryKind kind) {
    return switch (kind) {
      case LOG, SQRT, RSQRT, RECIPROCAL -> a.positive(a.rows, a.columns);
      default -> a.random(a.rows, a.columns);
    };
  }

  private static void copies(KernelChecks checks) {
    checks.add(
        "elementwise.where",
        a -> {
          Strided condition = a.flags(a.rows, a.columns);
          Strided x = a.random(a.rows, a.columns);
          Strided y = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().where(condition, x, y, out);
        });
    checks.add(
        "elementwise.affine",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().affine(x, 1.5f, -0.25f, out);
        });
    checks.add(
        "elementwise.dropout",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().dropout(x, 0.3f, 1, 2, 3, out);
        });
    for (DType to : new DType[] {DType.F32, DType.BF16, DType.F16, DType.I64}) {
      checks.add(
          "elementwise.copy",
          "to " + to,
          a -> {
            Strided x = a.random(a.rows, a.columns);
            Strided out = a.result(to, a.rows, a.columns);
            return b -> b.elementwise().copy(x, out);
          });
    }
    checks.add(
        "elementwise.copy",
        "of BF16",
        a -> {
          Strided x = a.random(DType.BF16, a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().copy(x, out);
        });
    checks.add(
        "elementwise.copy",
        "transposed",
        a -> {
          Strided x = a.transposed(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().copy(x, out);
        });
    checks.add(
        "elementwise.fill",
        a -> {
          Strided out = a.result(a.rows, a.columns);
          return b -> b.elementwise().fill(out, 0.75);
        });
    checks.add(
        "elementwise.accumulate",
        a -> {
          Strided sum = a.changed(a.random(a.rows, a.columns));
          Strided x = a.random(a.rows, a.columns);
          return b -> b.elementwise().accumulate(sum, x);
        });
  }

  private static void rows(KernelChecks checks) {
    checks.add(
        "index.gatherRows",
        a -> {
          Strided table = a.random(40, a.columns);
          Strided ids = a.ids(40, a.rows);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.index().gatherRows(table, ids, out);
        });
    checks.add(
        "index.scatterRows",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided ids = a.ids(20, a.rows);
          Strided out = a.zeros(20, a.columns);
          return b -> b.index().scatterRows(x, ids, out);
        });
    checks.add(
        "index.gatherColumns",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided ids = a.ids(a.columns, a.rows, 3);
          Strided out = a.result(a.rows, 3);
          return b -> b.index().gatherColumns(x, ids, out);
        });
    checks.add(
        "index.scatterColumns",
        a -> {
          Strided x = a.random(a.rows, 3);
          Strided ids = a.ids(a.columns, a.rows, 3);
          Strided out = a.zeros(a.rows, a.columns);
          return b -> b.index().scatterColumns(x, ids, out);
        });
    checks.add(
        "index.topK",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided values = a.result(a.rows, 5);
          Strided ids = a.result(DType.I64, a.rows, 5);
          return b -> b.index().topK(x, 5, values, ids);
        });
    checks.add(
        "patch.unfold",
        a -> {
          Strided image = a.random(a.rows, 3, 8, 12);
          Strided out = a.result(a.rows, 6, 48);
          return b -> b.patch().unfold(image, 4, out);
        });
    checks.add(
        "patch.fold",
        a -> {
          Strided patches = a.random(a.rows, 6, 48);
          Strided image = a.result(a.rows, 3, 8, 12);
          return b -> b.patch().fold(patches, 4, image);
        });
  }
}
