package dev.theriac.cuda.device;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import jcuda.driver.CUmodule;

/**
 * The kernels of this jar, loaded on one device: those that every card from sm_80 on compiles, and
 * those for sm_90a alone.
 */
final class Modules {
  private static final String EVERYWHERE = "/dev/theriac/cuda/kernels.ptx";
  private static final String HOPPER = "/dev/theriac/cuda/kernels_sm90a.ptx";
  private static final int HOPPER_CAPABILITY = 90;

  private final CudaDevice device;
  private final List<Loaded> loaded = new ArrayList<>();

  private record Loaded(CUmodule module, PtxSignatures signatures) {}

  Modules(CudaDevice device) {
    this.device = device;
    load(EVERYWHERE);
    if (device.capability() == HOPPER_CAPABILITY && Modules.class.getResource(HOPPER) != null) {
      load(HOPPER);
    }
  }

  private void load(String resource) {
    byte[] ptx = read(resource);
    // The driver wants a text that ends in 0.
    CUmodule module = device.load(Arrays.copyOf(ptx, ptx.length + 1), resource);
    loaded.add(new Loaded(module, new PtxSignatures(new String(ptx, StandardCharsets.US_ASCII))));
  }

  private static byte[] read(String resource) {
    try (InputStream in = Modules.class.getResourceAsStream(resource)) {
      if (in == null) throw new IllegalStateException("theriac-cuda lacks " + resource);
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + resource, e);
    }
  }

  Kernel find(String name) {
    for (Loaded one : loaded) {
      if (!one.signatures.names().contains(name)) continue;
      return new Kernel(name, device.function(one.module, name), one.signatures.of(name));
    }
    throw new IllegalArgumentException(
        "no kernel %s for %s; %d are loaded".formatted(name, device, names().size()));
  }

  Set<String> names() {
    Set<String> all = new TreeSet<>();
    loaded.forEach(one -> all.addAll(one.signatures.names()));
    return all;
  }
}
