package dev.theriac.tensor;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static dev.theriac.tensor.PretendProvider.SECOND;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.backend.check.PretendBackend;
import dev.theriac.op.Gradients;
import dev.theriac.op.Index;
import dev.theriac.op.Loss;
import dev.theriac.op.RecomputeOp;
import dev.theriac.op.RowGroups;
import dev.theriac.op.Selection;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tensors on another device: making, moving, reading, freeing. */
class DeviceTest {
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static Tensor numbers() {
    return Tensor.randn(new Rng(5), 1, 3, 4, 5);
  }

  @Test
  void devicesAreReadAsTheyAreWritten() {
    assertThat(Device.of("cpu")).isEqualTo(Device.CPU);
    assertThat(Device.of("cuda")).isEqualTo(new Device("cuda", 0));
    assertThat(Device.of("cuda:3")).hasToString("cuda:3");
    for (String bad : new String[] {"", "cuda:", "cuda:-1", "cuda:1:2", "GPU 0", "cpu:1x"}) {
      assertThatThrownBy(() -> Device.of(bad))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cuda:0");
    }
    assertThatThrownBy(() -> new Device("cuda", -1)).hasMessageContaining("-1");
  }

  @Test
  void aBackEndIsMadeOnceForEachDevice() {
    assertThat(Backends.of(DEVICE)).isSameAs(Backends.of(new Device("test", 0)));
    assertThat(Backends.of(SECOND)).isNotSameAs(Backends.of(DEVICE));
    assertThat(Backends.of(SECOND).device()).isEqualTo(SECOND);
  }

  @Test
  void aDeviceWithoutBackEndIsAnErrorThatSaysWhy() {
    assertThatThrownBy(() -> Tensor.zeros(new Device("nowhere", 0), 3))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("nowhere:0")
        .hasMessageContaining("theriac-nowhere");
    assertThatThrownBy(() -> Tensor.zeros(3).to(new Device("absent", 2)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("absent:2")
        .hasMessageContaining("no such card; buy one");
    assertThatThrownBy(() -> Tensor.zeros(new Device("test", 7), 3)).hasMessageContaining("7");
    assertThatThrownBy(() -> Tensor.zeros(new Device("cpu", 1), 3)).hasMessageContaining("cpu:0");
    assertThatThrownBy(() -> Backends.scalar().allocate(8, "someone"))
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessageContaining("someone");
  }

  @Test
  void tensorsAreMadeOnTheCurrentDevice() {
    assertThat(Device.current()).isEqualTo(Device.CPU);
    List<Tensor> here = made();
    List<Tensor> there = Device.with(DEVICE, DeviceTest::made);
    for (int i = 0; i < here.size(); i++) {
      assertThat(here.get(i).device()).isEqualTo(Device.CPU);
      assertThat(there.get(i).device()).isEqualTo(DEVICE);
      assertThat(there.get(i).dtype()).isEqualTo(here.get(i).dtype());
      assertThat(there.get(i).toFloats()).isEqualTo(here.get(i).toFloats());
    }
    assertThat(Device.current()).isEqualTo(Device.CPU);
    Device.with(DEVICE, () -> Device.with(SECOND, () -> assertThat(Device.current())));
    assertThat(Tensor.empty(DEVICE, "test", DType.BF16, 3).device()).isEqualTo(DEVICE);
    assertThat(Device.with(DEVICE, () -> Tensor.empty(Device.CPU, "test", DType.U8, 3)).device())
        .isEqualTo(Device.CPU);
  }

  private static List<Tensor> made() {
    Tensor placeholder = Tensor.randn(Rng.placeholders(3), 1, 2, 3);
    return List.of(
        Tensor.full(2.5, DType.BF16, 2, 3),
        Tensor.zeros(0, 3),
        Tensor.ones(4),
        Tensor.of(new float[] {1, 2, 3, 4}, 2, 2),
        Tensor.of(new long[] {5, -6}),
        Tensor.scalar(7),
        Tensor.randn(new Rng(1), 2, 3, 3),
        Tensor.uniform(new Rng(1), -1, 1, 5),
        placeholder);
  }

  @Test
  void bytesSurviveTheWayThereAndBack() {
    for (DType dtype : DType.values()) {
      Tensor x = numbers().mul(50).to(dtype);
      for (Tensor view : List.of(x, x.permute(2, 0, 1), x.slice(1, 1, 3), x.slice(2, 0, 0))) {
        Tensor there = view.to(DEVICE);
        assertThat(there.device()).isEqualTo(DEVICE);
        assertThat(there.dtype()).isEqualTo(dtype);
        assertThat(there.layout().isContiguous()).isTrue();
        assertThat(there.toFloats()).isEqualTo(view.toFloats());
        assertThat(there.toLongs()).isEqualTo(view.toLongs());
        assertThat(there.to(Device.CPU).toFloats()).isEqualTo(view.toFloats());
        assertThat(there.to(SECOND).to(Device.CPU).toFloats()).isEqualTo(view.toFloats());
      }
    }
    Tensor x = numbers();
    assertThat(x.to(Device.CPU)).isSameAs(x);
    Tensor there = x.to(DEVICE);
    assertThat(there.to(DEVICE)).isSameAs(there);
  }

  @Test
  void viewsThereAreReadAsViewsHere() {
    Tensor here = numbers();
    Tensor there = here.to(DEVICE);
    assertThat(there.slice(1, 1, 3).toFloats()).isEqualTo(here.slice(1, 1, 3).toFloats());
    assertThat(there.slice(1, 1, 3).to(Device.CPU).toFloats())
        .isEqualTo(here.slice(1, 1, 3).toFloats());
    assertThat(there.permute(1, 2, 0).get(3, 2, 1)).isEqualTo(here.permute(1, 2, 0).get(3, 2, 1));
    assertThat(there.select(0, 2).select(0, 1).slice(0, 4, 5).item())
        .isEqualTo((float) here.get(2, 1, 4));
    assertThat(there).hasToString(here.toString());
  }

  @Test
  void gradientsComeBackTheWayValuesWent() {
    Tensor x = numbers().requireGrad(true);
    Tensor w = Tensor.randn(new Rng(6), 1, 5, 2).to(DEVICE).requireGrad(true);
    Tensor y = x.permute(1, 0, 2).to(DEVICE).matmul(w);
    Tensor back = y.gelu().to(Device.CPU);
    assertThat(back.device()).isEqualTo(Device.CPU);
    Gradients found = back.sum().backward();
    assertThat(found.get(x).device()).isEqualTo(Device.CPU);
    assertThat(found.get(w).device()).isEqualTo(DEVICE);

    Tensor x2 = numbers().requireGrad(true);
    Tensor w2 = w.detach().to(Device.CPU).requireGrad(true);
    Gradients wanted =
        Backends.with(
            Backends.scalar(), () -> x2.permute(1, 0, 2).matmul(w2).gelu().sum().backward());
    assertThat(found.get(x).toFloats()).isEqualTo(wanted.get(x2).toFloats());
    assertThat(found.get(w).toFloats()).isEqualTo(wanted.get(w2).toFloats());
  }

  @Test
  void gradientsThatArriveElsewhereAreRefused() {
    Tensor x = numbers().to(DEVICE).requireGrad(true);
    Tensor y = x.mul(2);
    assertThatThrownBy(() -> y.backward(Tensor.ones(y.shape())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("test:0")
        .hasMessageContaining("cpu");
  }

  @Test
  void aRecomputedBlockMakesItsTensorsWhereItRanFirst() {
    Tensor x = numbers().to(DEVICE).requireGrad(true);
    Tensor y =
        Device.with(
            DEVICE,
            () ->
                RecomputeOp.recompute(
                    in -> in.getFirst().mul(Tensor.full(3, DType.F32, 5)), List.of(x), List.of()));
    assertThat(y.sum().backward().get(x).toFloats()).containsOnly(3);
  }

  @Test
  void devicesAreNotMixed() {
    Tensor here = numbers();
    Tensor there = numbers().to(DEVICE);
    assertThatThrownBy(() -> here.add(there))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("add: tensors on cpu and test:0; move them to one device with to(Device)");
    assertThatThrownBy(() -> there.mul(there.to(SECOND))).hasMessageContaining("test:1");
    assertThatThrownBy(() -> there.strided().address())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("test:0")
        .hasMessageContaining("cpu");
    assertThatThrownBy(() -> there.strided().deviceAddress(SECOND))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("test:0")
        .hasMessageContaining("test:1");
    assertThatThrownBy(() -> here.strided().deviceAddress(DEVICE)).hasMessageContaining("cpu");
    long first = there.strided().deviceAddress(DEVICE);
    assertThat(there.slice(0, 1, 3).strided().deviceAddress(DEVICE)).isEqualTo(first + 4 * 20);
  }

  @Test
  void whatWasFreedIsNotUsed() {
    Tensor t;
    try (Scope _ = Scope.open()) {
      t = Tensor.zeros(DEVICE, 3);
      assertThat(t.storage().isAlive()).isTrue();
    }
    assertThat(t.storage().isAlive()).isFalse();
    for (Runnable use :
        List.<Runnable>of(
            () -> t.get(0), () -> t.to(Device.CPU), () -> t.mul(2), () -> t.toFloats())) {
      assertThatThrownBy(use::run)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("made by full")
          .hasMessageContaining("the end of its scope");
    }
    assertThat(t.toString()).contains("freed");
    Tensor closed = Tensor.zeros(DEVICE, 3);
    long blocks = PretendProvider.backend().blocks();
    closed.close();
    closed.close();
    assertThat(PretendProvider.backend().blocks()).isEqualTo(blocks - 1);
    assertThatThrownBy(() -> closed.get(0)).hasMessageContaining("Tensor.close()");
  }

  @Test
  void nothingStaysBehindOnTheDevice() {
    PretendBackend backend = PretendProvider.backend();
    long blocks = backend.blocks();
    long host = Memory.stats().live();
    try (Scope _ = Scope.open()) {
      Tensor x = Tensor.randn(new Rng(1), 1, 40, 8).to(DEVICE).requireGrad(true);
      Tensor ids = Tensor.of(DEVICE, new long[40], 40);
      Loss.crossEntropy(x.gelu().permute(1, 0).contiguous().permute(1, 0), ids).backward();
    }
    assertThat(backend.blocks()).isEqualTo(blocks);
    assertThat(Memory.stats().live()).isEqualTo(host);
  }

  @Test
  void theCollectorFreesWhatNobodyHolds() throws InterruptedException {
    scope.close();
    try {
      long blocks = PretendProvider.backend().blocks();
      int lost = System.identityHashCode(Tensor.zeros(DEVICE, 9));
      assertThat(PretendProvider.backend().blocks()).isEqualTo(blocks + 1);
      long leaks = LeakDetector.leaks();
      for (int i = 0; i < 200 && PretendProvider.backend().blocks() > blocks; i++) {
        System.gc();
        Thread.sleep(10);
      }
      assertThat(PretendProvider.backend().blocks())
          .as("tensor %d", lost)
          .isLessThanOrEqualTo(blocks);
      for (int i = 0; i < 100 && LeakDetector.leaks() == leaks; i++) Thread.sleep(10);
      assertThat(LeakDetector.leaks()).isGreaterThan(leaks);
    } finally {
      scope = Scope.open();
    }
  }

  /** Asking a device what the host knows already would make the host wait for it. */
  @Test
  void knownIdsAreNotReadBack() {
    PretendBackend backend = PretendProvider.backend();
    Tensor table = numbers().reshape(12, 5).to(DEVICE);
    Tensor ids = Tensor.of(DEVICE, new long[] {3, 11, 0});
    Tensor targets = Tensor.of(DEVICE, new long[] {4, Loss.IGNORE_INDEX, 2});
    long before = backend.downloads();
    Tensor rows = Index.gatherRows(table, ids);
    Loss.crossEntropy(rows, targets);
    assertThat(ids.toLongs()).containsExactly(3, 11, 0);
    assertThat(ids.to(Device.CPU).toLongs()).containsExactly(3, 11, 0);
    Tensor chosen = Selection.topK(table, 2, Selection.Groups.NONE);
    Selection.softmax(table, chosen, false);
    Index.gatherColumns(table, chosen);
    RowGroups groups = RowGroups.of(chosen, 5);
    assertThat(groups.rows()).isEqualTo(24);
    Index.gatherRows(table, Index.topK(table.permute(1, 0), 3).indices());
    assertThat(backend.downloads()).isEqualTo(before);
    assertThatThrownBy(() -> Index.gatherRows(table, Tensor.of(DEVICE, new long[] {12})))
        .hasMessageContaining("id 12 at position 0 is not in [0, 12)");
    assertThatThrownBy(() -> Index.gatherRows(table.slice(0, 0, 3), ids))
        .hasMessageContaining("id 3 at position 0 is not in [0, 3)");
    assertThatThrownBy(() -> Index.gatherColumns(table.slice(1, 0, 2), chosen))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(groups.offsets().toLongs()).endsWith(24);
  }

  /** Ids that a kernel made are looked at once. */
  @Test
  void idsAreLookedAtOnce() {
    PretendBackend backend = PretendProvider.backend();
    Tensor table = numbers().reshape(12, 5).to(DEVICE);
    Tensor ids = Tensor.full(DEVICE, 7, DType.I64, 4);
    long before = backend.downloads();
    for (int i = 0; i < 3; i++) Index.gatherRows(table, ids);
    assertThat(backend.downloads()).isEqualTo(before + 1);
    assertThatThrownBy(() -> Index.gatherRows(table.slice(0, 0, 7), ids))
        .hasMessageContaining("id 7");
  }
}
