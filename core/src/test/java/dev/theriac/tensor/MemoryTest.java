package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class MemoryTest {
  @AfterEach
  void noLimit() {
    Memory.setLimit(0);
  }

  private static Tensor bytes(String holder, long bytes) {
    return Tensor.empty(holder, DType.U8, bytes);
  }

  @Test
  void blocksAreAlignedAndWasteLittle() {
    for (long bytes : new long[] {0, 1, 64, 255, 256, 257, 321, 1000, 4097, 100_003, 5_000_001}) {
      try (Tensor t = bytes("test", bytes)) {
        assertThat(t.strided().address() % 64).isZero();
        assertThat(t.storage().byteSize()).isGreaterThanOrEqualTo(bytes);
        assertThat(t.storage().byteSize()).isLessThanOrEqualTo(Math.max(256, bytes * 5 / 4 + 64));
      }
    }
  }

  @Test
  void aFreedBlockIsUsedAgain() {
    Tensor first = bytes("test", 77_777);
    long address = first.strided().address();
    long reserved = Memory.stats().reserved();
    first.close();
    try (Tensor second = bytes("test", 77_000)) {
      assertThat(second.strided().address()).isEqualTo(address);
      assertThat(Memory.stats().reserved()).isEqualTo(reserved);
    }
  }

  @Test
  void statisticsFollowWhatIsHeld() {
    Memory.Stats before = Memory.stats();
    Tensor t = bytes("test", 1 << 20);
    assertThat(Memory.stats().live() - before.live()).isEqualTo(t.storage().byteSize());
    assertThat(Memory.stats().liveBlocks() - before.liveBlocks()).isEqualTo(1);
    Memory.resetPeak();
    Tensor more = bytes("test", 1 << 21);
    long high = Memory.stats().live();
    more.close();
    t.close();
    assertThat(Memory.stats().peak()).isEqualTo(high);
    assertThat(Memory.stats().live()).isEqualTo(before.live());
    assertThat(Memory.stats().liveBlocks()).isEqualTo(before.liveBlocks());
  }

  @Test
  void trimGivesBackWhatWaits() {
    bytes("test", 3 << 20).close();
    long reserved = Memory.stats().reserved();
    Memory.trim();
    Memory.Stats after = Memory.stats();
    assertThat(after.reserved()).isLessThanOrEqualTo(reserved - (3 << 20));
    assertThat(after.reserved()).isEqualTo(after.live());
  }

  @Test
  void largeBlocksAreWholeAndStartAtDifferentOffsets() {
    Set<Long> offsets = new HashSet<>();
    for (long bytes : new long[] {2 << 20, (2 << 20) + 1, 4_500_000, 5 << 20, 9_000_001}) {
      try (Tensor t = bytes("test", bytes);
          Tensor u = bytes("test", bytes)) {
        for (Tensor each : List.of(t, u)) {
          long at = each.strided().address();
          assertThat(at % 64).isZero();
          for (long i : new long[] {0, 1 << 20, bytes - 1, each.storage().byteSize() - 1}) {
            Host.setByte(at + i, (byte) 42);
          }
          offsets.add(at % 4096);
        }
      }
    }
    if (System.getProperty("os.name").equals("Linux")) {
      assertThat(offsets).hasSizeGreaterThan(1).allMatch(offset -> offset % 576 == 0);
    }
  }

  @Test
  void aLargeBlockGivenBackIsNoLongerMapped() throws IOException {
    Path maps = Path.of("/proc/self/maps");
    Assumptions.assumeTrue(Files.exists(maps));
    Tensor t = bytes("test", 48 << 20);
    long page = t.strided().address() & -HugePages.PAGE;
    assertThat(mapped(maps, page)).isTrue();
    t.close();
    Memory.trim();
    assertThat(mapped(maps, page)).isFalse();
  }

  private static boolean mapped(Path maps, long address) throws IOException {
    for (String line : Files.readAllLines(maps)) {
      String[] range = line.substring(0, line.indexOf(' ')).split("-");
      if (Long.compareUnsigned(address, Long.parseUnsignedLong(range[0], 16)) >= 0
          && Long.compareUnsigned(address, Long.parseUnsignedLong(range[1], 16)) < 0) return true;
    }
    return false;
  }

  @Test
  void theLimitHoldsAndTheErrorSaysWhoHoldsWhat() {
    Memory.trim();
    try (Tensor held = bytes("greedy", 8 << 20)) {
      Memory.setLimit(Memory.stats().reserved() + (1 << 20));
      assertThatThrownBy(() -> bytes("modest", 2 << 20))
          .isInstanceOf(OutOfTensorMemoryException.class)
          .hasMessageContaining("modest asked for 2.0 MiB")
          .hasMessageContaining("greedy 8.0 MiB")
          .hasMessageContaining("limit")
          .hasMessageContaining("theriac.memory.limit");
      long reserved = Memory.stats().reserved();
      bytes("modest", 1 << 19).close();
      assertThat(Memory.stats().reserved()).isLessThanOrEqualTo(reserved + (1 << 20));
      assertThat(held.storage().isAlive()).isTrue();
    }
  }

  @Test
  void blocksThatWaitAreGivenUpBeforeTheLimitIsHit() {
    Memory.trim();
    bytes("test", 4 << 20).close();
    Memory.setLimit(Memory.stats().reserved() + (1 << 20));
    bytes("test", 5 << 20).close();
  }

  /** The build runs tests with theriac.memory.poison. */
  @Test
  void freshMemoryIsNotANumber() {
    try (Tensor t = Tensor.empty("test", DType.F32, 129)) {
      for (float f : t.toFloats()) assertThat(f).isNaN();
    }
  }

  @Test
  void absurdSizesAreRefused() {
    assertThatThrownBy(() -> bytes("test", 1L << 50))
        .isInstanceOf(OutOfTensorMemoryException.class)
        .hasMessageContaining("cannot be allocated");
  }
}
