package dev.theriac.backend;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * The process-wide worker pool on which every CPU operation runs.
 *
 * <p>An operation cuts its work into tasks <em>by shape, never by thread count</em>, and hands them
 * to {@link #parallelFor(int, IntConsumer)}. The calling thread takes part; the others are daemon
 * platform threads that spin for a fifth of a millisecond when there are no tasks, and then park.
 * The caller claims tasks from the front and the others from the back: of two threads each then
 * finds in its own cache much of what the last operations on the same tensors left there. A
 * preempted worker therefore holds up the one task that it has claimed and nothing else, and a
 * region never waits for a worker that has not woken up.
 *
 * <p>The number of threads comes from the system property {@value #THREADS_PROPERTY} (default: the
 * available processors) and can be changed at run time with {@link #setThreads(int)}. It changes
 * how fast a result arrives, never the result: task bodies see only their task index.
 *
 * <p>All methods may be called from any thread, virtual threads included. One region runs in
 * parallel at a time: a call made inside a task body, and a call made while another thread's region
 * is running, execute their tasks in index order on the calling thread. A warm call allocates
 * nothing.
 */
public final class Workers {

  /** Name of the system property that sets the number of threads: a whole number, at least 1. */
  public static final String THREADS_PROPERTY = "theriac.threads";

  /** Work on the half-open range {@code [from, to)}; see {@link #parallelRange}. */
  @FunctionalInterface
  public interface RangeBody {
    /** Processes the elements {@code from} (inclusive) to {@code to} (exclusive). */
    void run(long from, long to);
  }

  private static final int MAX_THREADS = 1024;

  /**
   * How long threads wait busily. To wake one costs the caller 10 to 40 microseconds, and pauses
   * between two operations of a training step are mostly shorter than this.
   */
  private static final long SPIN_NANOS = 200_000;

  private static final int SPINS_PER_CLOCK_READ = 32;
  private static final int PROCESSORS = Runtime.getRuntime().availableProcessors();

  /** Bits of each of a ticket's two counts of claims. */
  private static final int COUNT_BITS = 18;

  private static final int MOST_CLAIMS = (1 << COUNT_BITS) - 1;
  private static final long FRONT = 1;
  private static final long BACK = 1L << COUNT_BITS;
  private static final int REGION_SHIFT = 2 * COUNT_BITS;
  private static final long COUNTS_MASK = (1L << REGION_SHIFT) - 1;

  private static final VarHandle TICKET = field(Region.class, "ticket");
  private static final VarHandle COMPLETED = field(Ending.class, "completed");

  private static final Region REGION = new Region();
  private static final Ending ENDING = new Ending();
  private static final AtomicReference<Thread> OWNER = new AtomicReference<>();

  /** Keeps what follows a good way from what other objects hold in the same cache line. */
  private static class Before {
    long b0, b1, b2, b3, b4, b5, b6, b7;
  }

  /**
   * What a worker has to read to join a region, in one cache line: that line crosses from core to
   * core once for each region, and once more for a worker's claim.
   */
  private static class Opening extends Before {
    /**
     * The region's number, how many claims were made from the back, how many from the front.
     * Claiming is a compare-and-set of all at once, so a worker that wakes up late can never take a
     * task of a later region for one of the region whose body it has read.
     */
    volatile long ticket;

    // Written by the owner before it publishes a ticket, read by workers after they have read one.
    IntConsumer body;
    int tasks;
    int helpers;

    /** Tasks that go with one claim: more than one only where there are very many. */
    int bundle;
  }

  private static final class Region extends Opening {
    long a0, a1, a2, a3, a4, a5, a6, a7;
  }

  /** What workers write and the owner waits for, in another line. */
  private static class Closing extends Before {
    /** Claims that workers have done, of all regions: it is never set back. */
    volatile int completed;

    /** What {@link #completed} reaches when the owner may go on; set before it parks. */
    int awaited;

    volatile boolean ownerParked;
  }

  private static final class Ending extends Closing {
    long a0, a1, a2, a3, a4, a5, a6, a7;
  }

  private static int failedTask;
  private static Throwable failure;

  private static volatile int threads;
  private static volatile Worker[] pool = new Worker[0];

  private Workers() {}

  /** Returns the number of threads that take part in a region, the caller included. */
  public static int threads() {
    int n = threads;
    if (n == 0) {
      synchronized (Workers.class) {
        if (threads == 0) {
          threads = fromProperty();
        }
        n = threads;
      }
    }
    return n;
  }

  /**
   * Sets the number of threads that take part in the regions that start from now on, the caller
   * included. Results do not depend on it.
   *
   * @throws IllegalArgumentException if {@code count} is not within 1..1024
   */
  public static synchronized void setThreads(int count) {
    if (count < 1 || count > MAX_THREADS) {
      throw new IllegalArgumentException(
          "Workers.setThreads: " + count + " threads; give a number from 1 to " + MAX_THREADS);
    }
    threads = count;
  }

  /**
   * Runs {@code body} once for every task index in {@code [0, tasks)} and returns when all have
   * finished. Everything the bodies wrote is visible to the caller afterwards.
   *
   * <p>If bodies throw, the exception of the lowest failing task index is thrown here, whatever the
   * number of threads. Tasks above that index may or may not have run.
   *
   * @throws IllegalArgumentException if {@code tasks} is negative
   */
  public static void parallelFor(int tasks, IntConsumer body) {
    if (tasks < 0) {
      throw new IllegalArgumentException("Workers.parallelFor: negative task count " + tasks);
    }
    int others = Math.min(threads(), tasks) - 1;
    if (others < 1 || Thread.currentThread() instanceof Worker || !acquire()) {
      for (int task = 0; task < tasks; task++) {
        body.accept(task);
      }
      return;
    }
    Throwable thrown;
    try {
      thrown = runRegion(tasks, others, body);
    } finally {
      REGION.body = null;
      OWNER.set(null);
    }
    if (thrown != null) {
      throw Workers.<RuntimeException>unchecked(thrown);
    }
  }

  /**
   * Cuts {@code [0, size)} into consecutive ranges of {@code grain} elements (the last may be
   * shorter) and runs {@code body} on each. The ranges depend on the two numbers alone.
   *
   * @throws IllegalArgumentException if {@code size} is negative, {@code grain} is not positive, or
   *     there would be more than 2^31-1 ranges
   */
  public static void parallelRange(long size, long grain, RangeBody body) {
    if (size < 0 || grain < 1) {
      throw new IllegalArgumentException(
          "Workers.parallelRange: size "
              + size
              + ", grain "
              + grain
              + "; need size >= 0, grain >= 1");
    }
    if (size <= grain) {
      if (size > 0) {
        body.run(0, size);
      }
      return;
    }
    long ranges = (size - 1) / grain + 1;
    if (ranges > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "Workers.parallelRange: " + ranges + " ranges of " + grain + "; raise the grain");
    }
    parallelFor((int) ranges, task -> body.run(task * grain, Math.min(size, task * grain + grain)));
  }

  private static VarHandle field(Class<?> holder, String name) {
    Class<?> declaring = holder.getSuperclass();
    try {
      Class<?> type = declaring.getDeclaredField(name).getType();
      return MethodHandles.lookup().findVarHandle(declaring, name, type);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static boolean acquire() {
    Thread self = Thread.currentThread();
    return OWNER.get() == null && OWNER.compareAndSet(null, self);
  }

  private static Throwable runRegion(int tasks, int others, IntConsumer work) {
    Worker[] workers = workers(others);
    int bundle = (tasks - 1) / MOST_CLAIMS + 1;
    int claims = (tasks - 1) / bundle + 1;
    REGION.body = work;
    REGION.tasks = tasks;
    REGION.bundle = bundle;
    REGION.helpers = others;
    failedTask = Integer.MAX_VALUE;
    failure = null;
    int before = ENDING.completed;
    // The caller has made the first claim already.
    long ticket = (((REGION.ticket >>> REGION_SHIFT) + 1) << REGION_SHIFT) + FRONT;
    REGION.ticket = ticket;
    for (int i = 0; i < others; i++) {
      if (workers[i].parked) {
        LockSupport.unpark(workers[i]);
      }
    }
    int own = 0;
    for (int claim = 0; claim >= 0; claim = claim(ticket, claims, FRONT)) {
      run(claim, bundle, tasks, work);
      own++;
    }
    awaitCompletion(before + claims - own);
    // Closed before the fields above change: a worker that has read this ticket and then fields of
    // the next region finds no task left to claim.
    REGION.ticket = ticket | COUNTS_MASK;
    return failure;
  }

  /** A claim from that end in the region of {@code ticket}, or -1 when none is left. */
  private static int claim(long ticket, int claims, long end) {
    long region = ticket >>> REGION_SHIFT;
    for (; ; ) {
      long seen = REGION.ticket;
      int front = (int) seen & MOST_CLAIMS;
      int back = (int) (seen >>> COUNT_BITS) & MOST_CLAIMS;
      if (seen >>> REGION_SHIFT != region || front + back >= claims) {
        return -1;
      }
      if (TICKET.compareAndSet((Opening) REGION, seen, seen + end)) {
        return end == FRONT ? front : claims - 1 - back;
      }
      Thread.onSpinWait();
    }
  }

  private static void run(int claim, int bundle, int tasks, IntConsumer work) {
    if (bundle == 1) {
      run(claim, work);
      return;
    }
    int end = (int) Math.min(tasks, (claim + 1L) * bundle);
    for (int task = claim * bundle; task < end; task++) {
      run(task, work);
    }
  }

  private static void run(int task, IntConsumer work) {
    try {
      work.accept(task);
    } catch (Throwable t) {
      recordFailure(task, t);
    }
  }

  /** What a worker does with a region. */
  private static void help(long ticket, int tasks, int bundle, IntConsumer work) {
    // A worker that comes late may have read one region's tasks and another's bundle: the bound
    // keeps it from taking a closed ticket for one with claims to make.
    int claims = Math.min(MOST_CLAIMS, (tasks - 1) / bundle + 1);
    for (int claim = claim(ticket, claims, BACK); claim >= 0; ) {
      run(claim, bundle, tasks, work);
      int completed = (int) COMPLETED.getAndAdd((Closing) ENDING, 1) + 1;
      if (ENDING.ownerParked && completed == ENDING.awaited) {
        LockSupport.unpark(OWNER.get());
      }
      claim = claim(ticket, claims, BACK);
    }
  }

  private static synchronized void recordFailure(int task, Throwable thrown) {
    if (task < failedTask) {
      failedTask = task;
      failure = thrown;
    }
  }

  private static void awaitCompletion(int completed) {
    if (ENDING.completed == completed || spinUntilComplete(completed)) {
      return;
    }
    ENDING.awaited = completed;
    ENDING.ownerParked = true;
    while (ENDING.completed != completed) {
      LockSupport.park(Workers.class);
      Thread.onSpinWait(); // park returns at once in an interrupted thread, whose flag stays set
    }
    ENDING.ownerParked = false;
  }

  private static boolean spinUntilComplete(int completed) {
    long start = System.nanoTime();
    do {
      for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
        if (ENDING.completed == completed) {
          return true;
        }
        Thread.onSpinWait();
      }
    } while (threads <= PROCESSORS && System.nanoTime() - start < SPIN_NANOS);
    return false;
  }

  private static Worker[] workers(int count) {
    Worker[] current = pool;
    if (current.length >= count) {
      return current;
    }
    Worker[] grown = new Worker[count];
    System.arraycopy(current, 0, grown, 0, current.length);
    for (int i = current.length; i < count; i++) {
      grown[i] = new Worker(i);
      grown[i].start();
    }
    pool = grown;
    return grown;
  }

  private static int fromProperty() {
    String text = System.getProperty(THREADS_PROPERTY);
    if (text == null || text.isBlank()) {
      return PROCESSORS;
    }
    try {
      int count = Integer.parseInt(text.strip());
      if (count >= 1 && count <= MAX_THREADS) {
        return count;
      }
    } catch (NumberFormatException e) {
      // reported below, together with numbers out of range
    }
    throw new IllegalArgumentException(
        "system property "
            + THREADS_PROPERTY
            + "="
            + text
            + " is not a number from 1 to "
            + MAX_THREADS
            + "; leave it out to use all "
            + PROCESSORS
            + " processors");
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> T unchecked(Throwable thrown) throws T {
    throw (T) thrown;
  }

  private static final class Worker extends Thread {

    private final int index;
    private volatile boolean parked;

    Worker(int index) {
      super(null, null, "theriac-worker-" + (index + 1), 0, false);
      this.index = index;
      setDaemon(true);
    }

    @Override
    public void run() {
      long last = 0;
      for (; ; ) {
        long ticket = awaitTicket(last);
        last = ticket >>> REGION_SHIFT;
        int tasks = REGION.tasks;
        int bundle = REGION.bundle;
        IntConsumer work = REGION.body;
        // If these fields belong to a later region already, claiming fails and the loop comes
        // round.
        if (index < REGION.helpers && work != null) {
          help(ticket, tasks, bundle, work);
        }
      }
    }

    /** Waits for a region other than {@code last}: spins for a while, then parks. */
    private long awaitTicket(long last) {
      for (; ; ) {
        long start = System.nanoTime();
        do {
          for (int i = 0; i < SPINS_PER_CLOCK_READ; i++) {
            long ticket = REGION.ticket;
            if (ticket >>> REGION_SHIFT != last) {
              return ticket;
            }
            Thread.onSpinWait();
          }
        } while (threads <= PROCESSORS && System.nanoTime() - start < SPIN_NANOS);
        parked = true;
        if (REGION.ticket >>> REGION_SHIFT == last) {
          LockSupport.park(Workers.class);
        }
        parked = false;
      }
    }
  }
}
