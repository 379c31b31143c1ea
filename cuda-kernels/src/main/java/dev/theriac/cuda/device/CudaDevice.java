package dev.theriac.cuda.device;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/**
 * A GPU in use: its primary context, a compute stream on which everything is ordered, its memory
 * and the kernels loaded on it. Opened once for each ordinal and kept for the life of the JVM.
 * Thread-safe.
 */
public final class CudaDevice {
  private static final boolean POISON = Boolean.getBoolean("theriac.memory.poison");
  private static final int NAME_BYTES = 256;
  private static final int POISON_WORD = 0x7fc0dead;

  private static final Map<Integer, CudaDevice> OPEN = new ConcurrentHashMap<>();

  private final int ordinal;
  private final CUdevice handle = new CUdevice();
  private final CUcontext context = new CUcontext();
  private final CudaStream compute;
  private final DeviceMemory memory;
  private final Transfers transfers;
  private final Map<String, Kernel> kernels = new ConcurrentHashMap<>();
  private final Map<String, LongAdder> launches = new ConcurrentHashMap<>();
  private final Modules modules;
  private volatile String lastKernel;

  private CudaDevice(int ordinal) {
    this.ordinal = ordinal;
    Driver.check("cuDeviceGet", JCudaDriver.cuDeviceGet(handle, ordinal), "device " + ordinal);
    Driver.check(
        "cuDevicePrimaryCtxRetain",
        JCudaDriver.cuDevicePrimaryCtxRetain(context, handle),
        "device " + ordinal);
    compute = new CudaStream(this);
    memory = new DeviceMemory(this, Limits.bytes("theriac.cuda.memory.limit"));
    transfers = new Transfers(this);
    modules = new Modules(this);
  }

  /**
   * The device of that number.
   *
   * @throws CudaException if there is none, or it cannot be used
   * @throws LinkageError where there is no driver or JCuda cannot be loaded; ask {@link
   *     dev.theriac.cuda.Cuda#isAvailable} first
   */
  public static CudaDevice open(int ordinal) {
    CudaDevice found = OPEN.get(ordinal);
    if (found != null) return found;
    synchronized (OPEN) {
      if (OPEN.isEmpty()) {
        JCudaNatives.prepare("JCudaDriver");
        Driver.check("cuInit", JCudaDriver.cuInit(0));
      }
      return OPEN.computeIfAbsent(ordinal, CudaDevice::new);
    }
  }

  /** Number of devices that the driver shows. */
  public static int count() {
    open(0);
    int[] count = new int[1];
    Driver.check("cuDeviceGetCount", JCudaDriver.cuDeviceGetCount(count));
    return count[0];
  }

  /** As tensors name it. */
  public Device device() {
    return new Device("cuda", ordinal);
  }

  /** Such as {@code NVIDIA H100 80GB HBM3}. */
  public String name() {
    byte[] name = new byte[NAME_BYTES];
    Driver.check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(name, NAME_BYTES, handle));
    int end = 0;
    while (end < name.length && name[end] != 0) end++;
    return new String(name, 0, end, StandardCharsets.UTF_8);
  }

  /** The compute capability as in {@code sm_90}: 10 x major + minor. */
  public int capability() {
    return 10 * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
        + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  }

  /** The newest CUDA version that the driver speaks, as 1000 x major + 10 x minor. */
  public int driverVersion() {
    int[] version = new int[1];
    Driver.check("cuDriverGetVersion", JCudaDriver.cuDriverGetVersion(version));
    return version[0];
  }

  /** Number of streaming multiprocessors. */
  public int multiprocessors() {
    return attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  }

  /** Bytes of memory that the device has. */
  public long totalMemory() {
    return memoryInfo()[1];
  }

  /** Bytes of memory that nobody has taken from the driver. */
  public long freeMemory() {
    return memoryInfo()[0];
  }

  private long[] memoryInfo() {
    makeCurrent();
    long[] free = new long[1];
    long[] total = new long[1];
    Driver.check("cuMemGetInfo", JCudaDriver.cuMemGetInfo(free, total));
    return new long[] {free[0], total[0]};
  }

  /** One of {@link CUdevice_attribute}. */
  public int attribute(int attribute) {
    int[] value = new int[1];
    Driver.check(
        "cuDeviceGetAttribute",
        JCudaDriver.cuDeviceGetAttribute(value, attribute, handle),
        "attribute " + attribute);
    return value[0];
  }

  /** The stream of all operations on tensors. */
  public CudaStream compute() {
    return compute;
  }

  /** The pool that tensors come from. */
  public DeviceMemory memory() {
    return memory;
  }

  /** Another stream, to be closed by the caller. */
  public CudaStream stream() {
    return new CudaStream(this);
  }

  /**
   * An event, to be closed by the caller.
   *
   * @param timing whether it takes the time
   */
  public CudaEvent event(boolean timing) {
    return new CudaEvent(this, timing);
  }

  /** Waits until everything on the device is done; errors of kernels are thrown here. */
  public void synchronize() {
    makeCurrent();
    Driver.check("cuCtxSynchronize", JCudaDriver.cuCtxSynchronize(), lastWork());
  }

  /** A launch of a kernel on the compute stream. */
  public Launch kernel(String name) {
    return kernel(name, compute);
  }

  /** A launch of a kernel on a stream. */
  public Launch kernel(String name, CudaStream stream) {
    makeCurrent();
    return new Launch(this, stream, kernels.computeIfAbsent(name, this::find));
  }

  private Kernel find(String name) {
    return modules.find(name);
  }

  /** Names of all kernels that this device can launch. */
  public Set<String> kernelNames() {
    return modules.names();
  }

  /**
   * Memory of this device; uninitialised.
   *
   * @param holder the operation named in reports
   * @throws dev.theriac.tensor.OutOfTensorMemoryException when there is not as much
   */
  public DeviceBlock allocate(long bytes, String holder) {
    DeviceMemory.Block block = memory.allocate(bytes, holder);
    poison(block);
    return new CudaBlock(this, block);
  }

  void release(DeviceMemory.Block block) {
    poison(block);
    memory.release(block);
  }

  private void poison(DeviceMemory.Block block) {
    if (!POISON) return;
    makeCurrent();
    Driver.check(
        "cuMemsetD32Async",
        JCudaDriver.cuMemsetD32Async(
            RawPointer.device(block.address), POISON_WORD, block.bytes / 4, compute.handle()));
  }

  /** Copies from host memory, in the order of the compute stream. */
  void toDevice(long host, long to, long bytes) {
    transfers.toDevice(host, to, bytes);
  }

  /** Copies to host memory and waits for it. */
  void toHost(long from, long host, long bytes) {
    transfers.toHost(from, host, bytes);
  }

  /** Sets bytes to zero, in the order of the compute stream. */
  public void clear(long address, long bytes) {
    if (bytes == 0) return;
    makeCurrent();
    Driver.check(
        "cuMemsetD8Async",
        JCudaDriver.cuMemsetD8Async(RawPointer.device(address), (byte) 0, bytes, compute.handle()));
  }

  /** Copies within the device, in the order of the compute stream. */
  public void copy(long from, long to, long bytes) {
    if (bytes == 0) return;
    makeCurrent();
    Driver.check(
        "cuMemcpyDtoDAsync",
        JCudaDriver.cuMemcpyDtoDAsync(
            RawPointer.device(to), RawPointer.device(from), bytes, compute.handle()));
  }

  /** Makes the device's context the one of this thread. */
  void makeCurrent() {
    // Each time: a virtual thread may have moved to a carrier with another context, or another
    // library of this process may have set its own.
    Driver.check("cuCtxSetCurrent", JCudaDriver.cuCtxSetCurrent(context));
  }

  /** For errors that show when the device is waited for: what may have caused them. */
  String lastWork() {
    String last = lastKernel;
    return last == null ? "" : "the last kernel launched was " + last;
  }

  void launched(String kernel) {
    lastKernel = kernel;
    launches.computeIfAbsent(kernel, _ -> new LongAdder()).increment();
  }

  /** How often each kernel was launched, by its name; those that never were are not in it. */
  public Map<String, Long> launches() {
    Map<String, Long> counts = new TreeMap<>();
    launches.forEach((kernel, count) -> counts.put(kernel, count.sum()));
    return counts;
  }

  /** The kernel that was launched last; null before the first. */
  public String lastKernel() {
    return lastKernel;
  }

  CUmodule load(byte[] image, String what) {
    makeCurrent();
    CUmodule module = new CUmodule();
    Driver.check("cuModuleLoadData", JCudaDriver.cuModuleLoadData(module, image), what);
    return module;
  }

  CUfunction function(CUmodule module, String name) {
    makeCurrent();
    CUfunction function = new CUfunction();
    Driver.check(
        "cuModuleGetFunction", JCudaDriver.cuModuleGetFunction(function, module, name), name);
    return function;
  }

  @Override
  public String toString() {
    return "%s (sm_%d)".formatted(name(), capability());
  }
}
