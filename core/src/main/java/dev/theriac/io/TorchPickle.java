package dev.theriac.io;

import dev.theriac.io.Unpickler.OrderedDict;
import dev.theriac.io.Unpickler.Tuple;
import dev.theriac.tensor.Layout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * The names that a pickle of {@code torch.save} may use, and what they mean here: tensors as views
 * of storages, and plain containers. Hooks, gradients and attributes of tensors are dropped.
 */
final class TorchPickle implements Unpickler.Names {
  private static final int MAX_RANK = 64;

  private static final Map<String, ElementType> STORAGES =
      Map.ofEntries(
          Map.entry("Double", ElementType.F64),
          Map.entry("Float", ElementType.F32),
          Map.entry("Half", ElementType.F16),
          Map.entry("BFloat16", ElementType.BF16),
          Map.entry("Long", ElementType.I64),
          Map.entry("Int", ElementType.I32),
          Map.entry("Short", ElementType.I16),
          Map.entry("Char", ElementType.I8),
          Map.entry("Byte", ElementType.U8),
          Map.entry("Bool", ElementType.BOOL),
          Map.entry("ComplexFloat", ElementType.C64),
          Map.entry("ComplexDouble", ElementType.C128));

  private static final Map<String, ElementType> DTYPES =
      Map.ofEntries(
          Map.entry("float64", ElementType.F64),
          Map.entry("float32", ElementType.F32),
          Map.entry("float16", ElementType.F16),
          Map.entry("bfloat16", ElementType.BF16),
          Map.entry("int64", ElementType.I64),
          Map.entry("int32", ElementType.I32),
          Map.entry("int16", ElementType.I16),
          Map.entry("int8", ElementType.I8),
          Map.entry("uint64", ElementType.U64),
          Map.entry("uint32", ElementType.U32),
          Map.entry("uint16", ElementType.U16),
          Map.entry("uint8", ElementType.U8),
          Map.entry("bool", ElementType.BOOL),
          Map.entry("complex64", ElementType.C64),
          Map.entry("complex128", ElementType.C128),
          Map.entry("float8_e4m3fn", ElementType.F8_E4M3),
          Map.entry("float8_e4m3fnuz", ElementType.F8_E4M3FNUZ),
          Map.entry("float8_e5m2", ElementType.F8_E5M2),
          Map.entry("float8_e5m2fnuz", ElementType.F8_E5M2FNUZ),
          Map.entry("float8_e8m0fnu", ElementType.F8_E8M0));

  /** What may be called. */
  private enum Call {
    ORDERED_DICT("collections.OrderedDict"),
    SET("builtins.set"),
    FROZENSET("builtins.frozenset"),
    BYTES("builtins.bytes"),
    BYTEARRAY("builtins.bytearray"),
    ENCODE("_codecs.encode"),
    SIZE("torch.Size"),
    DEVICE("torch.device"),
    TENSOR("torch._utils._rebuild_tensor"),
    TENSOR_2("torch._utils._rebuild_tensor_v2"),
    TENSOR_3("torch._utils._rebuild_tensor_v3"),
    PARAMETER("torch._utils._rebuild_parameter"),
    PARAMETER_WITH_STATE("torch._utils._rebuild_parameter_with_state"),
    WITH_ATTRIBUTES("torch._tensor._rebuild_from_type_v2"),
    TENSOR_CLASS("torch.Tensor"),
    PARAMETER_CLASS("torch.nn.parameter.Parameter");

    final String path;

    Call(String path) {
      this.path = path;
    }

    @Override
    public String toString() {
      return path;
    }
  }

  /** The class of a storage; without a type it counts bytes. */
  private record StorageClass(String name, ElementType type) {}

  /** A word that stands for itself: a dtype or a device. */
  record Word(String text, ElementType dtype) {}

  /**
   * Bytes in another entry of the archive.
   *
   * @param type null for bytes
   * @param bytes what the pickle says they are
   */
  record Storage(String key, ElementType type, long bytes) {
    @Override
    public String toString() {
      return "a storage outside a tensor";
    }
  }

  /**
   * A view of a storage.
   *
   * @param layout with the offset in it, checked to lie within what the pickle says of the storage
   */
  record View(Storage storage, ElementType type, Layout layout) {}

  private final Path file;
  private final String what;
  private final Function<String, FileException> bad;

  TorchPickle(Path file, String what) {
    this.file = file;
    this.what = what;
    this.bad = why -> new FileException(file, what + ": " + why);
  }

  @Override
  public Object find(String name) {
    for (Call c : Call.values()) if (c.path.equals(name)) return c;
    if (name.equals("torch.storage.UntypedStorage")) return new StorageClass(name, null);
    if (!name.startsWith("torch.")) return null;
    String last = name.substring("torch.".length());
    ElementType dtype = DTYPES.get(last);
    if (dtype != null) return new Word(name, dtype);
    if (!last.endsWith("Storage")) return null;
    ElementType type = STORAGES.get(last.substring(0, last.length() - "Storage".length()));
    return type == null ? null : new StorageClass(name, type);
  }

  @Override
  public FileException refuse(String refused) {
    return bad.apply(
        ("%s is refused: only tensors and plain containers are read from a pickle, and nothing in"
                + " it is executed. If you trust the file, keep the tensors alone, in Python:"
                + " torch.save(torch.load(FILE, weights_only=False).state_dict(), FILE2), or the"
                + " part of the loaded dict that holds them")
            .formatted(refused));
  }

  @Override
  public Object outside(Object id) {
    if (!(id instanceof Tuple tuple)
        || tuple.items.size() != 5
        || !"storage".equals(tuple.items.get(0))
        || !(tuple.items.get(1) instanceof StorageClass type)
        || !(tuple.items.get(2) instanceof String key)
        || !(tuple.items.get(3) instanceof String)
        || !(tuple.items.get(4) instanceof Long count)
        || count < 0) {
      throw bad.apply("a reference to something that is not a storage");
    }
    int bytes = type.type == null ? 1 : type.type.bits() / 8;
    if (count > Long.MAX_VALUE / bytes) {
      throw bad.apply("storage \"%s\" of %d elements".formatted(Unpickler.brief(key), count));
    }
    return new Storage(key, type.type, count * bytes);
  }

  @Override
  public Object call(Object function, List<Object> a, Unpickler.Charge charge) {
    if (!(function instanceof Call call)) {
      throw bad.apply("calls %s".formatted(Unpickler.kind(function)));
    }
    Object made =
        switch (call) {
          case ORDERED_DICT -> a.isEmpty() ? new OrderedDict() : orderedDict(a.getFirst(), charge);
          case SET, FROZENSET -> a.isEmpty() ? new LinkedHashSet<>() : set(a.getFirst(), charge);
          case BYTES, BYTEARRAY, ENCODE -> bytes(a, charge);
          case SIZE -> a.size() == 1 && a.getFirst() instanceof Tuple t ? t : null;
          case DEVICE -> device(a);
          case TENSOR -> a.size() == 4 ? tensor(a, null) : null;
          case TENSOR_2 ->
              a.size() == 6 || a.size() == 7 && plain(a.get(6)) ? tensor(a, null) : null;
          case TENSOR_3 ->
              (a.size() == 7 || a.size() == 8 && plain(a.get(7))) && a.get(6) instanceof Word w
                  ? tensor(a, w.dtype)
                  : null;
          case PARAMETER, PARAMETER_WITH_STATE, PARAMETER_CLASS ->
              !a.isEmpty() && a.getFirst() instanceof View view ? view : null;
          case WITH_ATTRIBUTES ->
              a.size() == 4
                      && a.get(0) instanceof Call inner
                      && inner != Call.WITH_ATTRIBUTES
                      && (a.get(1) == Call.TENSOR_CLASS || a.get(1) == Call.PARAMETER_CLASS)
                      && a.get(2) instanceof Tuple t
                  ? call(inner, t.items, charge)
                  : null;
          case TENSOR_CLASS -> null;
        };
    if (made == null) {
      throw bad.apply(
          "%s with arguments that it does not have when torch.save writes it".formatted(call));
    }
    return made;
  }

  /** Views that conjugate or negate what is stored carry a mark, which cannot be kept here. */
  private boolean plain(Object metadata) {
    if (metadata == null || metadata instanceof Map<?, ?> map && map.isEmpty()) return true;
    throw refuse("a conjugated or negated view of a tensor");
  }

  private OrderedDict orderedDict(Object pairs, Unpickler.Charge charge) {
    if (!(pairs instanceof List<?> list)) return null;
    charge.values(2L * list.size());
    OrderedDict out = new OrderedDict();
    for (Object pair : list) {
      List<?> two = pair instanceof Tuple t ? t.items : pair instanceof List<?> l ? l : List.of();
      if (two.size() != 2) return null;
      if (!Unpickler.isScalar(two.getFirst())) {
        throw refuse(Unpickler.kind(two.getFirst()) + " as a key");
      }
      out.put(two.getFirst(), two.getLast());
    }
    return out;
  }

  private Set<Object> set(Object items, Unpickler.Charge charge) {
    if (!(items instanceof List<?> list)) return null;
    charge.values(list.size());
    for (Object item : list) {
      if (!Unpickler.isScalar(item)) throw refuse(Unpickler.kind(item) + " in a set");
    }
    return new LinkedHashSet<>(list);
  }

  /** Before protocol 3, bytes are text of which each character is one, and a call of encode. */
  private static byte[] bytes(List<Object> a, Unpickler.Charge charge) {
    if (a.isEmpty()) return new byte[0];
    if (a.size() == 1 && a.getFirst() instanceof byte[] b) return b;
    if (a.size() != 2
        || !(a.get(0) instanceof String text)
        || !(a.get(1) instanceof String coding)
        || !coding.toLowerCase(Locale.ROOT).replace("-", "").equals("latin1")) {
      return null;
    }
    charge.values(text.length() / 8);
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static Word device(List<Object> a) {
    if (a.isEmpty() || a.size() > 2 || !(a.getFirst() instanceof String type)) return null;
    String index = a.size() == 2 ? ":" + Unpickler.brief(a.get(1)) : "";
    return new Word(Unpickler.brief(type) + index, null);
  }

  /** Arguments: storage, offset, sizes, strides, and what is dropped. */
  private View tensor(List<Object> a, ElementType given) {
    if (!(a.get(0) instanceof Storage storage) || !(a.get(1) instanceof Long offset)) return null;
    ElementType type = given != null ? given : storage.type;
    long[] shape = sizes(a.get(2));
    long[] strides = sizes(a.get(3));
    if (type == null || shape == null || strides == null || offset < 0) return null;
    if (shape.length != strides.length || shape.length > MAX_RANK) {
      throw bad.apply(
          "a tensor with %d sizes and %d strides, at most %d are read"
              .formatted(shape.length, strides.length, MAX_RANK));
    }
    long bits = SafeTensorsHeader.sizeInBits(file, what, type, shape);
    if (bits == 0) return new View(storage, type, Layout.contiguous(shape));
    long have = storage.bytes / (type.bits() / 8);
    try {
      long last = offset;
      for (int i = 0; i < shape.length; i++) {
        last = Math.addExact(last, Math.multiplyExact(shape[i] - 1, strides[i]));
      }
      if (last < have) return new View(storage, type, Layout.strided(shape, strides, offset));
    } catch (ArithmeticException e) {
      // beyond 64 bits is beyond the storage
    }
    throw bad.apply(
        "a tensor %s%s with strides %s and offset %d goes beyond storage \"%s\" of %d elements"
            .formatted(
                type,
                Arrays.toString(shape),
                Arrays.toString(strides),
                offset,
                Unpickler.brief(storage.key),
                have));
  }

  private static long[] sizes(Object value) {
    if (!(value instanceof Tuple tuple)) return null;
    List<Long> out = new ArrayList<>();
    for (Object item : tuple.items.subList(0, Math.min(tuple.items.size(), MAX_RANK + 1))) {
      if (!(item instanceof Long size) || size < 0) return null;
      out.add(size);
    }
    return out.stream().mapToLong(Long::longValue).toArray();
  }
}
