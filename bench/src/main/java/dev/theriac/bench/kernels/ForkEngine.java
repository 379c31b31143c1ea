package dev.theriac.bench.kernels;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Engine;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Operations of many sizes. A stage is an operation, "@", its rows, and "+" where the threads are
 * to have parked before: the call then begins with {@link #PAUSE_NANOS} of waiting, which the
 * caller subtracts.
 */
public final class ForkEngine implements Engine {
  static final List<String> OPERATIONS =
      List.of(
          "add-bias", "gelu", "softmax", "layer-norm", "adamw", "product", "few-rows", "attention");
  private static final Set<String> WARMED_UP = Set.of("product", "few-rows", "attention");
  static final long PAUSE_NANOS = 500_000;
  static final int COLUMNS = 128;
  private static final int[] ROWS = {16, 32, 64, 128, 256, 512, 1024};

  private final Backend backend = Backends.cpu().backend();
  private final Scope scope = Scope.open();
  private final Map<String, Runnable> calls = new HashMap<>();

  public ForkEngine(int threads) {
    Workers.setThreads(threads);
  }

  /** The rows that an operation is timed at: attention takes them as sequences of 64 tokens. */
  static int[] rows(String operation) {
    int[] rows = ROWS.clone();
    if (operation.equals("attention")) for (int i = 0; i < rows.length; i++) rows[i] = 64 << i;
    return rows;
  }

  @Override
  public String name() {
    return "theriac " + backend.name();
  }

  @Override
  public Set<String> stages() {
    Set<String> all = new LinkedHashSet<>();
    for (String operation : OPERATIONS) {
      for (int rows : rows(operation)) {
        String stage = operation + "@" + rows;
        all.addAll(List.of(stage, stage + "+"));
      }
    }
    return all;
  }

  @Override
  public void run(String stage) {
    boolean parked = stage.endsWith("+");
    Runnable call = calls.computeIfAbsent(stage.replace("+", ""), this::call);
    if (parked) {
      long end = System.nanoTime() + PAUSE_NANOS;
      while (System.nanoTime() < end) Thread.onSpinWait();
    }
    call.run();
  }

  private Runnable call(String stage) {
    String operation = stage.substring(0, stage.indexOf('@'));
    int rows = Integer.parseInt(stage.substring(operation.length() + 1));
    // Of the others none has kernels that something else stands in for until they are compiled.
    if (WARMED_UP.contains(operation)) backend.choices();
    return switch (operation) {
      case "product" -> product(rows, 64, 64);
      case "few-rows" -> product(1, 4 * rows, COLUMNS);
      default -> KernelCall.of(backend, operation, rows, COLUMNS).run();
    };
  }

  private Runnable product(int rows, int columns, int depth) {
    Strided a = Tensor.ones(rows, depth).strided();
    Strided b = Tensor.ones(columns, depth).transpose(0, 1).strided();
    Strided c = Tensor.zeros(rows, columns).strided();
    return () -> backend.matmul().matmul(a, b, null, c, false);
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    throw new IllegalArgumentException("times alone");
  }

  @Override
  public void close() {
    scope.close();
  }
}
