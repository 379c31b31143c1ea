package dev.theriac.backend.check;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backend;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.IndexKernels;
import dev.theriac.backend.LossKernels;
import dev.theriac.backend.MatmulKernels;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.PatchKernels;
import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.RopeKernels;
import dev.theriac.backend.SelectionKernels;
import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A device that is none: its memory is the host's, its kernels are those of a CPU back end, and yet
 * its tensors are not in host memory for anybody else, so that whatever reads or writes them by
 * address fails. With it, code that is to run on any device is tested where there is none. To be
 * used through a {@link dev.theriac.backend.BackendProvider}, or {@link
 * dev.theriac.backend.Backends#with}. Thread-safe.
 */
public final class PretendBackend implements Backend {
  private final Device device;
  private final Backend kernels;
  private final AtomicLong downloads = new AtomicLong();
  private final AtomicLong blocks = new AtomicLong();
  private final Relay relay;

  /**
   * @param device anything but the CPU
   * @param kernels of the CPU
   */
  public PretendBackend(Device device, Backend kernels) {
    if (device.equals(Device.CPU) || !kernels.device().equals(Device.CPU)) {
      throw new IllegalArgumentException(
          "a device that is none: %s with kernels of %s; another than the CPU with its are wanted"
              .formatted(device, kernels.device()));
    }
    this.device = device;
    this.kernels = kernels;
    relay = new Relay(device);
  }

  /** How often something was copied to the host, for which a real device would be waited for. */
  public long downloads() {
    return downloads.get();
  }

  /** Blocks that are allocated and not released. */
  public long blocks() {
    return blocks.get();
  }

  @Override
  public String name() {
    return "pretend-" + kernels.name();
  }

  @Override
  public Device device() {
    return device;
  }

  @Override
  public DeviceBlock allocate(long bytes, String holder) {
    return new PretendBlock(device, bytes, holder, downloads, blocks);
  }

  @Override
  public ElementwiseKernels elementwise() {
    return relay.of(ElementwiseKernels.class, kernels.elementwise());
  }

  @Override
  public ReduceKernels reduce() {
    return relay.of(ReduceKernels.class, kernels.reduce());
  }

  @Override
  public IndexKernels index() {
    return relay.of(IndexKernels.class, kernels.index());
  }

  @Override
  public MatmulKernels matmul() {
    return relay.of(MatmulKernels.class, kernels.matmul());
  }

  @Override
  public NormKernels norm() {
    return relay.of(NormKernels.class, kernels.norm());
  }

  @Override
  public SoftmaxKernels softmax() {
    return relay.of(SoftmaxKernels.class, kernels.softmax());
  }

  @Override
  public AttentionKernels attention() {
    return relay.of(AttentionKernels.class, kernels.attention());
  }

  @Override
  public RopeKernels rope() {
    return relay.of(RopeKernels.class, kernels.rope());
  }

  @Override
  public PatchKernels patch() {
    return relay.of(PatchKernels.class, kernels.patch());
  }

  @Override
  public LossKernels loss() {
    return relay.of(LossKernels.class, kernels.loss());
  }

  @Override
  public GroupedKernels grouped() {
    return relay.of(GroupedKernels.class, kernels.grouped());
  }

  @Override
  public SelectionKernels selection() {
    return relay.of(SelectionKernels.class, kernels.selection());
  }

  @Override
  public ExpertKernels experts() {
    return relay.of(ExpertKernels.class, kernels.experts());
  }

  @Override
  public OptimKernels optim() {
    return relay.of(OptimKernels.class, kernels.optim());
  }

  @Override
  public QuantisedKernels quantised() {
    return relay.of(QuantisedKernels.class, kernels.quantised());
  }
}
