package dev.theriac.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads a pickle of protocols 2 to 5 as data. A pickle is a program for a stack machine that may
 * name any function of Python and call it; here names mean what {@link Names} says they mean, which
 * is nothing but plain values, and every other name is an error. Values are bounded by {@link
 * #most}, so that what is allocated grows with the bytes of the pickle and not with what they ask
 * for.
 *
 * <p>Values are null, Boolean, Long, BigInteger, Double, String, byte[], {@link List}, {@link
 * Tuple}, {@link Set}, {@link Map} (with scalars as keys), and what {@code Names} makes.
 *
 * @see <a href="https://github.com/python/cpython/blob/main/Lib/pickletools.py">The opcodes</a>
 */
final class Unpickler {
  private static final long MAX_VALUES = 4_000_000;
  private static final int MAX_BYTES = 1 << 28;
  private static final int MAX_NAME = 300;
  private static final int MAX_NUMBER = 256;

  /** A Python tuple; compared by identity, since tuples can nest without end. */
  static final class Tuple {
    final List<Object> items;

    Tuple(List<Object> items) {
      this.items = items;
    }
  }

  /** A Python OrderedDict, the only plain container that may have attributes, which are dropped. */
  static final class OrderedDict extends LinkedHashMap<Object, Object> {
    private static final long serialVersionUID = 1;
  }

  /** What names, calls and references to data outside the pickle mean. */
  interface Names {
    /** The meaning of a name such as {@code torch._utils._rebuild_tensor_v2}; null refuses it. */
    Object find(String name);

    /** The result of calling what {@link #find} returned; {@code charge} is told of copies. */
    Object call(Object function, List<Object> arguments, Charge charge);

    /** What lies elsewhere. */
    Object outside(Object id);

    /** The error for something that is not a plain value. */
    FileException refuse(String what);
  }

  /** Counts values that are made without a byte in the pickle for each. */
  interface Charge {
    void values(long count);
  }

  private final Path file;
  private final String what;
  private final MemorySegment bytes;
  private final Names names;
  private final List<Object> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Long, Object> memo = new HashMap<>();
  private final long most;
  private long at;
  private long op;
  private long values;

  private Unpickler(Path file, String what, MemorySegment bytes, Names names) {
    this.file = file;
    this.what = what;
    this.bytes = bytes;
    this.names = names;
    this.most = most(bytes.byteSize());
  }

  /** Values that a pickle of so many bytes may make, copies counted: few share one byte. */
  static long most(long bytes) {
    return Math.min(MAX_VALUES, 1000 + 8 * bytes);
  }

  /** The value of a pickle; {@code what} names it in errors. */
  static Object read(Path file, String what, MemorySegment bytes, Names names) {
    Unpickler u = new Unpickler(file, what, bytes, names);
    if (bytes.byteSize() > MAX_BYTES) {
      throw u.bad("%d bytes, allowed are %d".formatted(bytes.byteSize(), MAX_BYTES));
    }
    return u.run();
  }

  private Object run() {
    while (true) {
      op = at;
      int code = u8();
      if (code == '.') break;
      if (!step(code)) throw bad("opcode 0x%02x, which torch.save does not write".formatted(code));
      charge(1);
    }
    if (stack.size() != 1 || !marks.isEmpty()) {
      throw bad("ends with %d values where one is due".formatted(stack.size()));
    }
    if (at != bytes.byteSize()) throw bad("%d bytes follow".formatted(bytes.byteSize() - at));
    return stack.getFirst();
  }

  private void charge(long count) {
    values += count;
    if (values > most) throw bad("more than %d values".formatted(most));
  }

  private boolean step(int code) {
    switch (code) {
      case 0x80 -> protocol();
      case 0x95 -> length(8);
      case 'N' -> push(null);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'K' -> push((long) u8());
      case 'M' -> push(little(2));
      case 'J' -> push((long) (int) little(4));
      case 0x8a -> push(number(length(1)));
      case 0x8b -> push(number(length(4)));
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(little(8))));
      case 0x8c, 'U' -> push(text(length(1)));
      case 'X', 'T' -> push(text(length(4)));
      case 0x8d -> push(text(length(8)));
      case 'C' -> push(take(length(1)));
      case 'B' -> push(take(length(4)));
      case 0x8e, 0x96 -> push(take(length(8)));
      case ')' -> push(new Tuple(List.of()));
      case ']' -> push(new ArrayList<>(0));
      case '}' -> push(new LinkedHashMap<>(0));
      case 0x8f -> push(new LinkedHashSet<>(0));
      default -> {
        return structure(code);
      }
    }
    return true;
  }

  private boolean structure(int code) {
    switch (code) {
      case '(' -> marks.add(stack.size());
      case '0' -> pop();
      case '1' -> popMark();
      case '2' -> push(top());
      case 'q' -> memo.put((long) u8(), top());
      case 'r' -> memo.put(little(4) & 0xffff_ffffL, top());
      case 0x94 -> memo.put((long) memo.size(), top());
      case 'h' -> push(recall(u8()));
      case 'j' -> push(recall(little(4) & 0xffff_ffffL));
      case 't' -> push(new Tuple(popMark()));
      case 0x85 -> push(new Tuple(pop(1)));
      case 0x86 -> push(new Tuple(pop(2)));
      case 0x87 -> push(new Tuple(pop(3)));
      case 'a' -> append(pop(1));
      case 'e' -> append(popMark());
      case 's' -> set(pop(2));
      case 'u' -> set(popMark());
      case 0x90 -> add(popMark());
      case 0x91 -> {
        List<Object> items = popMark();
        push(new LinkedHashSet<>(0));
        add(items);
      }
      case 'c' -> push(find(line(), line()));
      case 0x93 -> {
        List<Object> parts = pop(2);
        if (!(parts.get(0) instanceof String module) || !(parts.get(1) instanceof String name)) {
          throw bad("a name that is not text");
        }
        push(find(module, name));
      }
      case 'R', 0x81 -> call();
      case 'b' -> build();
      case 'Q' -> push(names.outside(pop()));
      default -> {
        return false;
      }
    }
    return true;
  }

  private void protocol() {
    int version = u8();
    if (version < 2 || version > 5) throw bad("protocol %d; read are 2 to 5".formatted(version));
  }

  /** Names that Python 2 and 3 spell differently come out as in Python 3. */
  private Object find(String module, String name) {
    if (module.length() > MAX_NAME || name.length() > MAX_NAME) throw bad("a name without end");
    String full = (module.equals("__builtin__") ? "builtins" : module) + "." + name;
    Object found = names.find(full);
    if (found == null) throw names.refuse(full);
    return found;
  }

  private void call() {
    Object arguments = pop();
    Object function = pop();
    if (!(arguments instanceof Tuple tuple)) throw bad("a call without arguments");
    push(names.call(function, tuple.items, this::charge));
  }

  private void build() {
    Object state = pop();
    if (!(top() instanceof OrderedDict) || !(state instanceof Map)) {
      throw names.refuse("attributes of " + kind(top()));
    }
  }

  private void append(List<Object> items) {
    if (!(top() instanceof ArrayList<?>)) throw bad("appends to %s".formatted(kind(top())));
    @SuppressWarnings("unchecked")
    List<Object> list = (List<Object>) top();
    list.addAll(items);
  }

  private void set(List<Object> items) {
    if (!(top() instanceof Map<?, ?>)) throw bad("sets an item of %s".formatted(kind(top())));
    if (items.size() % 2 != 0) throw bad("a key without a value");
    @SuppressWarnings("unchecked")
    Map<Object, Object> map = (Map<Object, Object>) top();
    for (int i = 0; i < items.size(); i += 2) put(map, items.get(i), items.get(i + 1));
  }

  private void put(Map<Object, Object> map, Object key, Object value) {
    if (!isScalar(key)) throw names.refuse(kind(key) + " as a key");
    if (map.containsKey(key)) throw bad("key \"%s\" is there twice".formatted(brief(key)));
    map.put(key, value);
  }

  private void add(List<Object> items) {
    if (!(top() instanceof LinkedHashSet<?>)) throw bad("adds to %s".formatted(kind(top())));
    @SuppressWarnings("unchecked")
    Set<Object> set = (Set<Object>) top();
    for (Object item : items) {
      if (!isScalar(item)) throw names.refuse(kind(item) + " in a set");
      set.add(item);
    }
  }

  /** True for values that are compared by value, and quickly. */
  static boolean isScalar(Object value) {
    return value == null
        || value instanceof String
        || value instanceof Number
        || value instanceof Boolean;
  }

  /** A scalar as text that is short enough for a message. */
  static String brief(Object scalar) {
    String text = String.valueOf(scalar);
    return text.length() <= 200 ? text : text.substring(0, 200) + "...";
  }

  /** What Python calls the type of a value. */
  static String kind(Object value) {
    return switch (value) {
      case null -> "None";
      case Boolean _ -> "a bool";
      case Long _, BigInteger _ -> "an int";
      case Double _ -> "a float";
      case String _ -> "a str";
      case byte[] _ -> "bytes";
      case Tuple _ -> "a tuple";
      case List<?> _ -> "a list";
      case Set<?> _ -> "a set";
      case Map<?, ?> _ -> "a dict";
      default -> value.toString();
    };
  }

  private void push(Object value) {
    stack.add(value);
  }

  private Object top() {
    if (stack.size() <= floor()) throw bad("takes from an empty stack");
    return stack.getLast();
  }

  private Object pop() {
    Object value = top();
    stack.removeLast();
    return value;
  }

  private List<Object> pop(int count) {
    if (stack.size() - count < floor()) throw bad("takes from an empty stack");
    return popFrom(stack.size() - count);
  }

  private List<Object> popMark() {
    if (marks.isEmpty()) throw bad("takes up to a mark, and there is none");
    return popFrom(marks.removeLast());
  }

  private List<Object> popFrom(int from) {
    List<Object> tail = stack.subList(from, stack.size());
    List<Object> items = Collections.unmodifiableList(Arrays.asList(tail.toArray()));
    tail.clear();
    return items;
  }

  private int floor() {
    return marks.isEmpty() ? 0 : marks.getLast();
  }

  private Object recall(long index) {
    Object value = memo.get(index);
    if (value == null && !memo.containsKey(index)) {
      throw bad("takes value %d, which was not kept".formatted(index));
    }
    return value;
  }

  private int u8() {
    need(1);
    return bytes.get(ValueLayout.JAVA_BYTE, at++) & 0xff;
  }

  private long little(int size) {
    need(size);
    long value = 0;
    for (int i = 0; i < size; i++) value |= (long) u8() << 8 * i;
    return value;
  }

  /** A length that is followed by as many bytes. */
  private int length(int size) {
    long length = size == 4 ? little(4) & 0xffff_ffffL : little(size);
    need(length);
    return (int) length;
  }

  private void need(long count) {
    if (count < 0 || count > bytes.byteSize() - at) {
      throw bad(
          "needs %s bytes, and there are %d: damaged or truncated"
              .formatted(Long.toUnsignedString(count), bytes.byteSize() - at));
    }
  }

  private byte[] take(int length) {
    byte[] out = bytes.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE);
    at += length;
    return out;
  }

  private String text(int length) {
    try {
      String out =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(bytes.asSlice(at, length).asByteBuffer())
              .toString();
      at += length;
      return out;
    } catch (CharacterCodingException e) {
      throw new FileException(file, where() + "text that is not UTF-8", e);
    }
  }

  private Object number(int length) {
    if (length > MAX_NUMBER) throw bad("an int of %d bytes".formatted(length));
    byte[] little = take(length);
    byte[] big = new byte[length];
    for (int i = 0; i < length; i++) big[i] = little[length - 1 - i];
    BigInteger value = length == 0 ? BigInteger.ZERO : new BigInteger(big);
    return value.bitLength() < 64 ? (Object) value.longValue() : value;
  }

  private String line() {
    long end = at;
    while (end < bytes.byteSize() && bytes.get(ValueLayout.JAVA_BYTE, end) != '\n') end++;
    if (end - at > MAX_NAME) throw bad("a name without end");
    String out = text((int) (end - at));
    u8();
    return out;
  }

  private String where() {
    return "%s, byte %d: ".formatted(what, op);
  }

  private FileException bad(String why) {
    return new FileException(file, where() + why);
  }
}
