package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.RopeFrequencies;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Interpreted and compiled code give the same bits: a run must not depend on when the compiler got
 * to a kernel. (Library functions and lane reductions of the Vector API would break this.)
 */
@Tag(VectorWidthsTest.ONE_WIDTH)
class VectorTiersTest extends KernelFixture {
  private static final String MARK = "bits of all kernels: ";

  @Test
  void interpreterAndCompilerAgree() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xint",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                VectorTiersTest.class.getName())
            .redirectErrorStream(true)
            .start();
    // Meanwhile the kernels are compiled here.
    String here = hash();
    for (int i = 0; i < 1500; i++) {
      String again = hash();
      assertThat(again).as("pass %d", i).isEqualTo(here);
    }
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    assertThat(output).contains(MARK + here);
  }

  @AfterEach
  void waitForKernels() {
    FewRowsWarmUp.always = false;
  }

  /** Runs in the other JVM. */
  public static void main(String[] args) {
    System.out.println(MARK + new VectorTiersTest().hash());
  }

  private String hash() {
    Workers.setThreads(1);
    KernelFixture data = new VectorTiersTest();
    List<Strided> out = new ArrayList<>();
    Strided x = data.random(3, 75);
    Strided g = data.random(3, 75);
    Strided w = data.random(75);
    for (UnaryKind kind : UnaryKind.values()) {
      Strided y = run(empty(3, 75), o -> vector.elementwise().unary(kind, x, o));
      out.add(y);
      out.add(run(empty(3, 75), o -> vector.elementwise().unaryGradient(kind, x, y, g, o)));
    }
    for (BinaryKind kind : BinaryKind.values()) {
      out.add(run(empty(3, 75), o -> vector.elementwise().binary(kind, x, g, o)));
    }
    out.add(run(empty(3, 75), o -> vector.elementwise().dropout(x, 0.3f, 1, 2, 3, o)));
    Strided soft = run(empty(3, 75), o -> vector.softmax().softmax(x, o));
    out.add(soft);
    out.add(run(empty(3, 75), o -> vector.softmax().softmaxGradient(soft, g, o)));
    out.add(run(empty(3, 75), o -> vector.softmax().logSoftmax(x, o)));
    Strided mean = empty(3);
    Strided rstd = empty(3);
    out.add(run(empty(3, 75), o -> vector.norm().layerNorm(x, w, w, 1e-5f, o, mean, rstd)));
    Strided dw = empty(75);
    Strided db = empty(75);
    out.add(
        run(
            empty(3, 75),
            o -> vector.norm().layerNormGradient(x, w, mean, rstd, g, o, false, dw, db)));
    out.addAll(List.of(mean, rstd, dw, db));
    for (ReduceKind kind : ReduceKind.values()) {
      out.add(run(empty(3), o -> vector.reduce().reduce(kind, x, 1, o)));
    }
    out.add(run(empty(DType.I64, 3), o -> vector.reduce().argmax(x, o)));
    out.add(run(empty(3), o -> vector.softmax().logSumExp(x, o)));
    norms(x, g, w, out);
    moves(x, g, out);
    products(data, out);
    Strided losses = empty(3);
    Strided lse = empty(3);
    vector.loss().crossEntropy(x, ofLongs(1, 2, 3), -100, losses, lse);
    out.addAll(List.of(losses, lse));
    attention(data, out);
    Strided m = copyOf(g);
    Strided v = run(empty(3, 75), o -> vector.elementwise().unary(UnaryKind.SQUARE, g, o));
    vector.optim().adamW(x, g, m, v, 0.5f, new OptimKernels.AdamW(1e-3, 0.9, 0.999, 1e-8, 0, 2));
    out.addAll(List.of(x, m, v));
    int[] hashes = out.stream().mapToInt(o -> Arrays.hashCode(bits(o))).toArray();
    return Arrays.toString(hashes);
  }

  private void norms(Strided x, Strided g, Strided w, List<Strided> out) {
    // 64 columns are whole vectors of every width, 75 are not.
    for (long columns : new long[] {64, 75}) {
      Strided wide = empty(3, columns);
      Strided rest = empty(3, columns);
      vector.elementwise().copy(x.with(x.layout().slice(1, 0, columns)), wide);
      vector.elementwise().copy(g.with(g.layout().slice(1, 0, columns)), rest);
      Strided scale = w.with(w.layout().slice(0, 0, columns));
      Strided[] o = {empty(3), empty(3), empty(3), empty(3), empty(columns)};
      Strided sum = empty(3, columns);
      NormKernels norm = vector.norm();
      out.add(
          run(
              empty(3, columns),
              y -> norm.addLayerNorm(wide, rest, scale, scale, 1e-5f, sum, y, o[0], o[1])));
      out.add(run(empty(3, columns), y -> norm.addRmsNorm(wide, rest, scale, 1e-5f, sum, y, o[2])));
      out.add(run(empty(3, columns), y -> norm.rmsNorm(wide, scale, 1e-5f, y, o[3])));
      out.add(
          run(copyOf(rest), dx -> norm.rmsNormGradient(wide, scale, o[3], rest, dx, true, o[4])));
      out.add(sum);
      out.addAll(List.of(o));
    }
  }

  private void moves(Strided x, Strided g, List<Strided> out) {
    for (CompareKind kind : CompareKind.values()) {
      Strided yes = run(empty(DType.BOOL, 3, 75), o -> vector.elementwise().compare(kind, x, g, o));
      out.add(yes);
      out.add(run(empty(3, 75), o -> vector.elementwise().where(yes, x, g, o)));
      out.add(run(empty(3, 75), o -> vector.elementwise().copy(yes, o)));
    }
    for (DType type : new DType[] {DType.BF16, DType.F16}) {
      Strided half = run(empty(type, 3, 75), o -> vector.elementwise().copy(x, o));
      out.add(half);
      out.add(run(empty(3, 75), o -> vector.elementwise().copy(half, o)));
    }
  }

  /** Products of few rows, with dense and with quantised weights. */
  private void products(KernelFixture data, List<Strided> out) {
    FewRowsWarmUp.always = true;
    QuantisedWarmUp.use(true);
    Strided weights = data.random(33, 64);
    Strided half = run(empty(DType.BF16, 33, 64), o -> vector.elementwise().copy(weights, o));
    List<Weights> quantised = new ArrayList<>();
    for (QuantisedFormat format : QuantisedFormat.values()) {
      Strided bytes = empty(DType.U8, format.bytes(33, 64));
      // What fills up a group is nobody's.
      vector.elementwise().fill(bytes, 0);
      Weights w = new Weights(bytes, format, 33, 64);
      vector.quantised().quantise(weights, w);
      out.add(bytes);
      quantised.add(w);
    }
    PackedWarmUp.use(true);
    for (long rows : new long[] {1, 2, 3, 13}) {
      Strided a = data.random(rows, 64);
      for (Strided b : new Strided[] {weights, half}) {
        Strided turned = b.with(b.layout().permute(1, 0));
        out.add(run(empty(rows, 33), c -> vector.matmul().matmul(a, turned, null, c, false)));
      }
      for (Weights w : quantised) {
        out.add(run(empty(rows, 33), c -> vector.quantised().linear(a, w, null, c)));
      }
    }
  }

  private void attention(KernelFixture data, List<Strided> out) {
    for (int queries : new int[] {1, 21}) {
      Strided q = data.random(1, queries, 2, 16);
      Strided k = data.random(1, 21, 2, 16);
      Strided y = empty(1, queries, 2, 16);
      Strided lse = empty(1, 2, queries);
      Strided dq = empty(1, queries, 2, 16);
      Strided dk = empty(1, 21, 2, 16);
      Strided dv = empty(1, 21, 2, 16);
      vector.attention().attention(q, k, k, null, true, 0.25f, y, lse);
      vector.attention().attentionGradient(q, k, k, null, true, 0.25f, y, lse, q, dq, dk, dv);
      out.addAll(List.of(y, lse, dq, dk, dv));
      Strided positions = ofLongs(new long[queries]).with(Layout.contiguous(1, queries));
      out.add(
          run(
              empty(1, queries, 2, 16),
              o -> vector.rope().rope(q, positions, RopeFrequencies.of(16, 1e4), false, o)));
    }
  }
}
