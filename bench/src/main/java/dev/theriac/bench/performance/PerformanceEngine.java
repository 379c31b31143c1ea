package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.bench.frame.Engine;
import dev.theriac.tensor.Memory;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Our engine for one family; holds the data of one case at a time. */
public final class PerformanceEngine implements Engine {
  private final Family family;
  private final Backend backend = Backends.cpu().backend();
  private Case current;
  private Inputs inputs;
  private Call call;

  /**
   * Sets the worker pool to {@code threads} and waits for the compiler to get the matrix product to
   * speed: its scalar stand-in is as fast in every call, which looks like the end of a warm-up.
   * With {@link #AS_FOUND} it does not wait, and so compiles only what the case itself runs.
   */
  public PerformanceEngine(Family family, int threads) {
    Workers.setThreads(threads);
    this.family = family;
    if (!Boolean.getBoolean(AS_FOUND)) backend.choices();
  }

  @Override
  public String name() {
    return "theriac " + backend.name();
  }

  @Override
  public Set<String> stages() {
    return new LinkedHashSet<>(family.cases().stream().map(Case::id).toList());
  }

  @Override
  public void run(String stage) {
    if (current == null || !current.id().equals(stage)) {
      close();
      Case next = family.of(stage);
      inputs = new Inputs(next);
      call = family.ours(next, inputs, backend);
      current = next;
    }
    call.run();
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    List<String> names = current.results().stream().map(Case.Result::name).toList();
    return call.values(names.indexOf(tensor), indices);
  }

  @Override
  public long peakBytes(String stage) {
    run(stage);
    long before = Memory.stats().live();
    Memory.resetPeak();
    run(stage);
    return Memory.stats().peak() - before;
  }

  @Override
  public void restart() {
    close();
  }

  @Override
  public void close() {
    if (call != null) call.close();
    if (inputs != null) inputs.close();
    call = null;
    inputs = null;
    current = null;
  }
}
