package dev.theriac.cli;

import dev.theriac.backend.Backends;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The option that says on which device a model computes. */
final class DeviceOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--device",
      paramLabel = "cpu|cuda|cuda:N",
      description = "Where the model computes: the CPU (default), or a GPU by its number.")
  private String device;

  /**
   * The device that was asked for, its back end opened.
   *
   * @throws ParameterException when it is written in another way, or cannot be used; says why
   */
  Device device() {
    return device(null);
  }

  /**
   * The same; where the option was not given, the device of a configuration.
   *
   * @param configured null for none
   * @throws IllegalArgumentException when that of the configuration cannot be used
   */
  Device device(Device configured) {
    if (device != null) {
      try {
        return open(Device.of(device));
      } catch (IllegalArgumentException | IllegalStateException e) {
        throw new ParameterException(
            command.commandLine(), "--device %s: %s.".formatted(device, e.getMessage()), e);
      }
    }
    if (configured == null) return Device.CPU;
    try {
      return open(configured);
    } catch (IllegalStateException e) {
      throw new IllegalArgumentException(
          "$.device: %s; --device cpu trains without".formatted(e.getMessage()), e);
    }
  }

  private static Device open(Device wanted) {
    Backends.of(wanted);
    return wanted;
  }

  /**
   * Reads a model to a device.
   *
   * @throws IllegalStateException when it has quantised weights, for which the device has no
   *     kernels
   */
  static MedMoe load(Device device, Supplier<MedMoe> reader) {
    MedMoe model = Device.with(device, reader);
    if (!device.equals(Device.CPU)) checkQuantised(model, device);
    return model;
  }

  /** Multiplies by one quantised matrix: better now than in the middle of an answer. */
  private static void checkQuantised(MedMoe model, Device device) {
    for (Parameter p : model.parameters().values()) {
      if (!p.isQuantised()) continue;
      QuantisedMatrix matrix = p.quantised().getFirst();
      try (Scope _ = Scope.open()) {
        Autograd.noGrad(
            () -> Quantised.linear(Tensor.zeros(device, 1, matrix.columns()), matrix, null));
      } catch (UnsupportedOperationException e) {
        throw new IllegalStateException(
            "the model has quantised weights, with which %s cannot compute; leave --device out, or"
                    .formatted(device)
                + " take the model that it was made from",
            e);
      }
      return;
    }
  }
}
