package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ScopeTest {
  @Test
  void freesWhatWasMadeInside() {
    long before = Memory.stats().live();
    Tensor inside;
    try (Scope _ = Scope.open()) {
      inside = Tensor.zeros(129).add(1);
    }
    assertThat(Memory.stats().live()).isEqualTo(before);
    assertThatThrownBy(() -> inside.add(1))
        .hasMessageContaining("affine")
        .hasMessageContaining("the end of its scope")
        .hasMessageContaining("scope.keep");
  }

  @Test
  void keptTensorsMoveToTheEnclosingScope() {
    Tensor kept;
    try (Scope outer = Scope.open()) {
      Tensor lost;
      try (Scope inner = Scope.open()) {
        lost = Tensor.zeros(3);
        kept = inner.keep(Tensor.ones(3));
        assertThat(inner.size()).isEqualTo(1);
      }
      assertThat(lost.storage().isAlive()).isFalse();
      assertThat(kept.toFloats()).containsExactly(1, 1, 1);
      assertThat(outer.size()).isEqualTo(1);
    }
    assertThat(kept.storage().isAlive()).isFalse();
  }

  @Test
  void keptOutOfTheOutermostScopeBelongsToTheCaller() {
    Tensor t = Scope.call(() -> Tensor.ones(17).mul(2));
    assertThat(t.toFloats()).containsOnly(2f);
    t.close();
  }

  @Test
  void keepingAViewKeepsItsStorage() {
    Tensor view = Scope.call(() -> Tensor.ones(3, 4).transpose(0, 1));
    assertThat(view.toFloats()).hasSize(12).containsOnly(1f);
    view.close();
  }

  @Test
  void tensorsFromOutsideAreLeftAlone() {
    Tensor outside = Tensor.ones(3);
    Tensor same = Scope.call(() -> outside);
    assertThat(same).isSameAs(outside);
    assertThat(outside.storage().isAlive()).isTrue();
    outside.close();
  }

  @Test
  void persistentTensorsLeaveEveryScope() {
    Tensor t;
    try (Scope _ = Scope.open()) {
      try (Scope _ = Scope.open()) {
        t = Scope.persist(Tensor.ones(3));
      }
    }
    assertThat(t.toFloats()).containsOnly(1f);
    t.close();
  }

  @Test
  void longScopesForgetWhatWasClosed() {
    try (Scope scope = Scope.open()) {
      List<Tensor> held = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        Tensor t = Tensor.zeros(3);
        if (i % 10 == 0) held.add(t);
        else t.close();
      }
      assertThat(scope.size()).isEqualTo(10);
      held.get(3).close();
      held.get(9).close();
      held.get(0).close();
      assertThat(scope.size()).isEqualTo(7);
    }
  }

  @Test
  void keepIfMovesExactlyTheWanted() {
    try (Scope outer = Scope.open()) {
      List<Tensor> made = new ArrayList<>();
      try (Scope inner = Scope.open()) {
        for (int i = 0; i < 17; i++) made.add(Tensor.full(i, DType.F32, 1));
        inner.keepIf(s -> made.stream().anyMatch(t -> t.storage() == s && t.item() % 3 == 1));
      }
      for (int i = 0; i < 17; i++) {
        assertThat(made.get(i).storage().isAlive()).isEqualTo(i % 3 == 1);
      }
      assertThat(outer.size()).isEqualTo(6);
    }
  }

  @Test
  void scopesCloseInReverseOrder() {
    Scope outer = Scope.open();
    Scope inner = Scope.open();
    assertThatThrownBy(outer::close).hasMessageContaining("reverse order");
    inner.close();
    outer.close();
    outer.close();
    assertThat(Scope.current()).isNull();
  }

  @Test
  void aScopeBelongsToItsThread() throws InterruptedException {
    try (Scope scope = Scope.open()) {
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      Runnable close = scope::close;
      AtomicReference<Tensor> made = new AtomicReference<>();
      Thread other =
          new Thread(
              () -> {
                made.set(Tensor.ones(3));
                try {
                  close.run();
                } catch (IllegalStateException e) {
                  thrown.set(e);
                }
              },
              "other");
      other.start();
      other.join();
      assertThat(thrown.get()).hasMessageContaining("thread other");
      assertThat(scope.size()).isZero();
      made.get().close();
    }
  }
}
