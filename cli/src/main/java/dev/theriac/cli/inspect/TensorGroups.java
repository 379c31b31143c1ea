package dev.theriac.cli.inspect;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tensors whose keys differ in numbers alone, such as those of layers and experts, on one line:
 * {@code layers.{0..31}.mlp.fc1.weight}.
 */
final class TensorGroups {
  private static final Pattern NUMBER = Pattern.compile("(?<=^|\\.)\\d{1,9}(?=\\.|$)");

  private final Map<List<String>, Group> groups = new LinkedHashMap<>();

  private static final class Group {
    final List<TreeSet<Integer>> numbers = new ArrayList<>();
    final String[] between;
    final String what;
    int count;

    Group(String[] between, String what) {
      this.between = between;
      this.what = what;
    }
  }

  /**
   * Tensors of one group.
   *
   * @param keys with the numbers of each place in braces
   * @param what is said of all of them
   */
  record Line(String keys, String what, int count) {}

  /** Adds a tensor; those of which the same is said may stand together. */
  void add(String key, String what) {
    String[] between = NUMBER.split(key, -1);
    List<String> same = new ArrayList<>(List.of(between));
    same.add(what);
    Group g = groups.computeIfAbsent(same, _ -> new Group(between, what));
    g.count++;
    Matcher m = NUMBER.matcher(key);
    for (int i = 0; m.find(); i++) {
      if (g.numbers.size() == i) g.numbers.add(new TreeSet<>());
      g.numbers.get(i).add(Integer.valueOf(m.group()));
    }
  }

  /** The groups in the order of their first tensors. */
  List<Line> lines() {
    return groups.values().stream().map(g -> new Line(keys(g), g.what, g.count)).toList();
  }

  private static String keys(Group g) {
    StringBuilder out = new StringBuilder(g.between[0]);
    for (int i = 0; i < g.numbers.size(); i++) {
      out.append(range(g.numbers.get(i))).append(g.between[i + 1]);
    }
    return out.toString();
  }

  private static String range(TreeSet<Integer> numbers) {
    if (numbers.size() == 1) return numbers.first().toString();
    List<String> runs = new ArrayList<>();
    Integer from = null;
    Integer last = null;
    for (Integer n : numbers) {
      if (last != null && n == last + 1) {
        last = n;
        continue;
      }
      if (from != null) runs.add(run(from, last));
      from = n;
      last = n;
    }
    runs.add(run(from, last));
    int shown = 6;
    String list = String.join(",", runs.subList(0, Math.min(shown, runs.size())));
    return "{" + (runs.size() > shown ? list + ",..," + numbers.last() : list) + "}";
  }

  private static String run(int from, int to) {
    if (from == to) return "" + from;
    return from + (to == from + 1 ? "," : "..") + to;
  }
}
