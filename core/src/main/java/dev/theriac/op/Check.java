package dev.theriac.op;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.LongConsumer;
import java.util.function.LongPredicate;

/** The checks that every family makes, once, above the back ends. */
final class Check {
  private Check() {}

  /** The back end of the tensors' common device. */
  static Backend backend(String op, Tensor... tensors) {
    Device device = tensors[0].device();
    for (Tensor t : tensors) {
      if (t != null && !t.device().equals(device)) {
        throw new IllegalArgumentException(
            "%s: tensors on %s and %s; move them to one device with to(Device)"
                .formatted(op, device, t.device()));
      }
    }
    return Backends.of(device);
  }

  /** The tensor in F32: itself, or widened when it is of a half type. */
  static Tensor f32(String op, Tensor t) {
    if (t == null || t.dtype() == DType.F32) return t;
    if (!t.dtype().isFloating()) {
      throw new IllegalArgumentException(
          "%s: %s%s is not of a floating type; convert it with to(DType.F32)"
              .formatted(op, t.dtype(), t.layout()));
    }
    return Elementwise.cast(t, DType.F32);
  }

  static void dtype(String op, String what, Tensor t, DType wanted) {
    if (t.dtype() != wanted) {
      throw new IllegalArgumentException(
          "%s: %s must be %s, got %s%s; convert it with to(DType.%s)"
              .formatted(op, what, wanted, t.dtype(), t.layout(), wanted));
    }
  }

  static void shape(String op, String what, Tensor t, long... wanted) {
    if (t != null && !t.layout().hasShape(wanted)) {
      throw new IllegalArgumentException(
          "%s: %s must have shape %s, got %s"
              .formatted(op, what, Arrays.toString(wanted), t.layout()));
    }
  }

  static void that(boolean condition, String message, Object... args) {
    if (!condition) throw new IllegalArgumentException(message.formatted(args));
  }

  static String name(Enum<?> kind) {
    return kind.name().toLowerCase(Locale.ROOT);
  }

  /** Every id in [0, bound); the error gives position and value. */
  static void ids(String op, Tensor ids, long bound) {
    ids(op, ids, bound, _ -> false);
    // What was looked at once need not come back from its device again.
    if (ids.storage() instanceof DeviceStorage there && there.isAll(ids.layout())) {
      if (!there.idsBelow(bound)) there.knowIds(bound, 1);
    }
  }

  /** Every id, of a contiguous tensor, in [0, bound) or {@code ignored}. */
  static void ids(String op, Tensor ids, long bound, LongPredicate ignored) {
    if (ids.storage() instanceof DeviceStorage there && there.idsBelow(bound)) return;
    onHost(
        ids,
        at -> {
          for (long i = 0, n = ids.size(); i < n; i++) {
            long id = Host.getLong(at + 8 * i);
            if ((id < 0 || id >= bound) && !ignored.test(id)) {
              throw new IndexOutOfBoundsException(
                  "%s: id %d at position %d is not in [0, %d)".formatted(op, id, i, bound));
            }
          }
        });
  }

  /**
   * Hands {@code reader} the address of the elements of a contiguous tensor in host memory, of a
   * copy where they are elsewhere.
   */
  static void onHost(Tensor t, LongConsumer reader) {
    Tensor host = t.to(Device.CPU);
    try {
      reader.accept(host.strided().address());
      Reference.reachabilityFence(host);
    } finally {
      if (host != t) host.close();
    }
  }
}
