package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.Workers;
import dev.theriac.moe.kit.BrokenBackend.Replacement;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each kind of defect that the kit is there for is put into a kernel, and found. */
class BrokenKernelsTest {
  /**
   * A defect.
   *
   * @param what it is
   * @param kernel that has it
   * @param replacement the kernel with the defect
   * @param ids the tests that must fail
   */
  record Defect(String what, String kernel, Replacement replacement, List<String> ids) {
    static Defect of(String what, String kernel, Replacement replacement, String... ids) {
      return new Defect(what, kernel, replacement, List.of(ids));
    }

    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<Defect> defects() {
    AtomicInteger calls = new AtomicInteger();
    return Stream.of(
        Defect.of(
            "gate and up swapped",
            "hidden",
            (right, a) -> {
              Hidden h = (Hidden) a[1];
              if (h.gated()) {
                a[1] = new Hidden(h.up(), h.upBias(), h.gate(), h.gateBias(), h.activation());
              }
              right.call(a);
            },
            "R02",
            "R07",
            "G04",
            "N05"),
        Defect.of(
            "gradients of empty experts not written",
            "groupedWeightGradient",
            (right, a) -> {
              right.call(a);
              Strided offsets = (Strided) a[2];
              Strided dw = (Strided) a[4];
              for (long e = 0; e + 1 < offsets.size(); e++) {
                long at = offsets.address() + 8 * e;
                boolean empty = Host.getLong(at) == Host.getLong(at + 8);
                if (empty && dw.size() > 0) set(dw, e * dw.stride(0), Float.NaN);
              }
            },
            "R01",
            "R12",
            "R14"),
        Defect.of(
            "an element beside the output written",
            "grouped",
            (right, a) -> {
              right.call(a);
              Strided out = (Strided) a[4];
              set(out, out.size(), 3);
            },
            "R13"),
        Defect.of(
            "routing weight's gradient without the last bias",
            "hiddenGradient",
            (right, a) -> {
              a[5] = null;
              right.call(a);
            },
            "G02",
            "G03",
            "R01"),
        Defect.of(
            "routing weight's gradient by a division by the weight",
            "hiddenGradient",
            (right, a) -> {
              right.call(a);
              Strided weights = (Strided) a[2];
              Strided ds = (Strided) a[11];
              for (long i = 0; ds != null && i < ds.size(); i++) {
                float s = get(weights, i);
                set(ds, i, get(ds, i) * s / s);
              }
            },
            "G03"),
        Defect.of(
            "a sum that depends on the number of threads",
            "combine",
            (right, a) -> {
              right.call(a);
              if (Workers.threads() == 7) nudge((Strided) a[6], 0);
            },
            "D02",
            "R05"),
        Defect.of(
            "a sum that depends on the call",
            "combine",
            (right, a) -> {
              right.call(a);
              if (calls.incrementAndGet() % 20 == 0) nudge((Strided) a[6], 0);
            },
            "D01"),
        Defect.of(
            "a product that depends on the number of rows",
            "combine",
            (right, a) -> {
              right.call(a);
              if (((Strided) a[6]).size(0) > 20) nudge((Strided) a[6], 0);
            },
            "D03"),
        Defect.of(
            "a product that depends on a row's place",
            "combine",
            (right, a) -> {
              right.call(a);
              Strided y = (Strided) a[6];
              if (y.size() > 0) nudge(y, y.size() - 1);
            },
            "D04"),
        Defect.of(
            "tokens without rows not written",
            "combine",
            (right, a) -> {
              right.call(a);
              Strided start = (Strided) a[4];
              Strided y = (Strided) a[6];
              for (long t = 0; t + 1 < start.size(); t++) {
                long at = start.address() + 8 * t;
                if (Host.getLong(at) == Host.getLong(at + 8)) set(y, t * y.size(1), Float.NaN);
              }
            },
            "R16",
            "C06"),
        Defect.of(
            "one row in a thousand slightly wrong",
            "combine",
            (right, a) -> {
              right.call(a);
              Strided y = (Strided) a[6];
              for (long t = 500; t < y.size(0); t += 1000) {
                for (long j = 0; j < y.size(1); j++) {
                  set(y, t * y.size(1) + j, get(y, t * y.size(1) + j) * 1.0003f);
                }
              }
            },
            "R01",
            "R11",
            "N04"),
        Defect.of(
            "ties to the higher id",
            "select",
            (right, a) -> {
              right.call(a);
              Strided scores = (Strided) a[0];
              Strided ids = (Strided) a[5];
              for (long n = 0; n < ids.size(0) && ids.size(1) > 1; n++) {
                long at = ids.address() + 8 * n * ids.size(1);
                long x = Host.getLong(at);
                long y = Host.getLong(at + 8);
                if (get(scores, n * scores.size(1) + x) == get(scores, n * scores.size(1) + y)) {
                  Host.setLong(at, y);
                  Host.setLong(at + 8, x);
                }
              }
            },
            "K01",
            "K02",
            "K04",
            "K05",
            "K16"),
        Defect.of(
            "unusable rows not reported",
            "unusable",
            (right, a) -> {
              right.call(a);
              Strided flags = (Strided) a[1];
              for (long n = 0; n < flags.size(); n++) Host.setByte(flags.address() + n, (byte) 0);
            },
            "K02"),
        Defect.of(
            "sigmoids divided by a sum that vanishes",
            "selectedSoftmax",
            (right, a) -> {
              right.call(a);
              Strided weights = (Strided) a[3];
              Strided logits = (Strided) a[0];
              if ((boolean) a[2] && get(logits, 0) < -80) set(weights, 0, Float.NaN);
            },
            "K09"),
        Defect.of(
            "softmax taken twice",
            "softmax",
            (right, a) -> {
              right.call(a);
              right.call(a[1], a[1]);
            },
            "K11",
            "L04",
            "G01",
            "G05"),
        Defect.of(
            "the last element of a row of another rounding",
            "unary",
            (right, a) -> {
              right.call(a);
              Strided out = (Strided) a[2];
              if (out.size() % 16 > 1) nudge(out, out.size() - 1);
            },
            "N02"));
  }

  private static float get(Strided t, long index) {
    return Host.getFloat(t.address() + 4 * index);
  }

  private static void set(Strided t, long index, float value) {
    Host.setFloat(t.address() + 4 * index, value);
  }

  /** To the next number away from zero. */
  private static void nudge(Strided t, long index) {
    if (t.size() == 0) return;
    float value = get(t, index);
    set(t, index, Float.intBitsToFloat(Float.floatToRawIntBits(value) + 1));
  }

  @ParameterizedTest
  @MethodSource("defects")
  void isFound(Defect defect) {
    MoeKit kit = () -> List.of(BrokenBackend.of(defect.kernel, defect.replacement));
    for (String id : defect.ids) {
      assertThatThrownBy(() -> run(kit, id))
          .as("%s with %s", id, defect)
          .isInstanceOf(AssertionError.class);
    }
  }

  @Test
  void theRightKernelsPassTheSameTests() {
    MoeKit kit = () -> List.of(BrokenBackend.of("none", (_, _) -> {}));
    List<String> ids = defects().flatMap(d -> d.ids.stream()).distinct().sorted().toList();
    assertThat(ids).hasSizeGreaterThan(20);
    for (String id : ids) {
      assertThatCode(() -> run(kit, id)).as(id).doesNotThrowAnyException();
    }
  }

  private static void run(MoeKit kit, String id) throws Throwable {
    for (Method test : TestIds.tests().get(id)) {
      try {
        test.invoke(kit);
      } catch (InvocationTargetException e) {
        throw e.getCause();
      }
    }
  }
}
