package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class EmulatedCudaTest {
  /** Skipped tests are easily overlooked: where all are meant to run, missing this one fails. */
  @Test
  void theEmulatedDeviceIsThere() {
    if (System.getenv("CI") != null) {
      assertThat(EmulatedCuda.library("libcuda.so.1")).exists();
      assertThat(EmulatedCuda.library("libcublas.so.12")).exists();
      assertThat(EmulatedCuda.library("libkernels_host.so")).exists();
    }
    assumeTrue(
        EmulatedCuda.isBuilt(),
        "NO CUDA KERNEL IS TESTED: the emulated device was not built; install g++ or clang++");
  }

  @Test
  void unknownSettingsAreRefused() {
    EmulatedCuda.load();
    assumeTrue(EmulatedCuda.isUsed());
    assertThatThrownBy(() -> EmulatedCuda.configure("schedule", "sideways"))
        .hasMessageContaining("schedule=sideways");
    assertThatThrownBy(() -> EmulatedCuda.configure("sched", "fwd"))
        .hasMessageContaining("sched=fwd");
    assertThatThrownBy(() -> EmulatedCuda.configure("memory", "1G"))
        .hasMessageContaining("memory=1G");
  }
}
