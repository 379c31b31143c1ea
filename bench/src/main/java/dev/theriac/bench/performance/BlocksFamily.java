package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderLayer;
import dev.theriac.llm.FeedForwards;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.LongStream;

/**
 * One decoder block of Phi-2 and of StableLM-2 1.6B on 640 tokens. The gradient that arrives is
 * zero but for the first tokens, so that float64 can follow it; kernels do not look at zeros.
 */
final class BlocksFamily implements Family {
  /** Tokens that are compared. */
  static final int ROWS = 8;

  static final int TOKENS = 640;

  private static final List<String> GRADIENTS =
      List.of("self_attn.q_proj.weight", "self_attn.v_proj.weight", "input_layernorm.weight");

  @Override
  public String name() {
    return "blocks";
  }

  /** The published shape, without dropout, of one block. */
  static DecoderConfig config(String shape) {
    DecoderConfig c = shape.startsWith("phi2") ? DecoderConfig.phi2() : DecoderConfig.stableLm2();
    return new DecoderConfig(
        c.family(),
        8,
        c.dim(),
        c.intermediate(),
        1,
        c.heads(),
        c.kvHeads(),
        c.rotaryDims(),
        c.ropeTheta(),
        c.maxPositions(),
        c.normEps(),
        0,
        c.initStd());
  }

  @Override
  public List<Case> cases() {
    List<Case> all = new ArrayList<>();
    for (String shape : List.of("phi2-T640", "stablelm2-T640")) {
      all.add(block("forward", shape, 1.8));
      all.add(block("forward+backward", shape, 1.6));
    }
    return all;
  }

  private static Case block(String operation, String shape, double ratio) {
    DecoderConfig config = config(shape);
    boolean phi = config.family() == DecoderConfig.Family.PHI;
    boolean backward = operation.endsWith("backward");
    long d = config.dim();
    double matrices = 0;
    double size = 0;
    for (Input input : weights(config).values()) {
      size += input.size();
      if (input.shape().length == 2) matrices += input.size();
    }
    double attention = 2.0 * TOKENS * TOKENS * d;
    double flops = 2.0 * TOKENS * matrices + attention;
    if (backward) flops += 4.0 * TOKENS * matrices + 2.5 * attention;
    Case c =
        Case.of(operation, shape)
            .method((phi ? "phi" : "stablelm") + (backward ? "_backward" : ""))
            .work(flops, 4 * size * (backward ? 2 : 1), Floor.FMA)
            .wanted(1, new Wanted(ratio, 0.65, null))
            .wanted(2, new Wanted(ratio, 0.65, null))
            .numbers(config.heads(), config.rotaryDims())
            .input(Input.f32("x", TOKENS, d))
            .input(Input.f32("g", ROWS, d))
            .input(weights(config).values().toArray(Input[]::new))
            .result("y", ROWS, d)
            .tolerance(2e-4, 2e-4);
    if (!backward) return c;
    c = c.result("dx", ROWS, d);
    for (String name : gradients(config)) c = c.result(name, c.input(name).size());
    return c;
  }

  /** Parameters whose gradients are compared. */
  static List<String> gradients(DecoderConfig config) {
    List<String> all = new ArrayList<>(GRADIENTS);
    boolean phi = config.family() == DecoderConfig.Family.PHI;
    all.add(phi ? "mlp.fc1.weight" : "mlp.gate_proj.weight");
    all.add(phi ? "mlp.fc2.weight" : "mlp.down_proj.weight");
    return all;
  }

  /** By parameter path, in the order in which the TorchScript module takes them. */
  static SequencedMap<String, Input> weights(DecoderConfig config) {
    SequencedMap<String, Input> all = new LinkedHashMap<>();
    long d = config.dim();
    long n = config.intermediate();
    boolean phi = config.family() == DecoderConfig.Family.PHI;
    norm(all, "input_layernorm", d);
    if (!phi) norm(all, "post_attention_layernorm", d);
    for (String part : List.of("q_proj", "k_proj", "v_proj")) {
      linear(all, "self_attn." + part, d, d, true);
    }
    linear(all, phi ? "self_attn.dense" : "self_attn.o_proj", d, d, phi);
    if (phi) {
      linear(all, "mlp.fc1", n, d, true);
      linear(all, "mlp.fc2", d, n, true);
    } else {
      linear(all, "mlp.gate_proj", n, d, false);
      linear(all, "mlp.up_proj", n, d, false);
      linear(all, "mlp.down_proj", d, n, false);
    }
    return all;
  }

  private static void norm(Map<String, Input> all, String name, long d) {
    all.put(name + ".weight", new Input(name + ".weight", DType.F32, 0.2, 1, d));
    all.put(name + ".bias", Input.f32(name + ".bias", d).scaled(0.2));
  }

  private static void linear(Map<String, Input> all, String name, long out, long in, boolean bias) {
    all.put(name + ".weight", Input.f32(name + ".weight", out, in).scaled(Math.sqrt(3.0 / in)));
    if (bias) all.put(name + ".bias", Input.f32(name + ".bias", out).scaled(0.2));
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    DecoderConfig config = config(c.shape());
    // Drawing weights that are replaced at once would take longer than all else.
    DecoderLayer layer = new DecoderLayer(config, 0, new Rng(1), FeedForwards.DENSE);
    layer
        .parameters()
        .forEach((name, p) -> {
          Tensor drawn = p.value();
          p.set(inputs.tensor(name));
          drawn.close();
        });
    long d = config.dim();
    Tensor x = inputs.tensor("x").reshape(1, TOKENS, d);
    Tensor positions =
        Scope.persist(Tensor.of(LongStream.range(0, TOKENS).toArray()).reshape(1, TOKENS));
    if (!c.operation().endsWith("backward")) {
      return Call.giving(
          () -> Autograd.noGrad(() -> List.of(layer.forward(x, positions, null, null, 0).value())));
    }
    Tensor g = Scope.persist(Tensor.zeros(1, TOKENS, d));
    long from = inputs.tensor("g").strided().address();
    Host.ALL
        .asSlice(g.strided().address(), 4 * ROWS * d)
        .copyFrom(Host.ALL.asSlice(from, 4 * ROWS * d));
    return Call.giving(() -> {
      Tensor in = x.detach().requireGrad(true);
      Tensor y = layer.forward(in, positions, null, null, 0).value().retain();
      Gradients found = Autograd.backward(y, g);
      List<Tensor> results = new ArrayList<>(List.of(y.detach(), found.get(in)));
      Map<String, Parameter> parameters = layer.parameters();
      for (String name : gradients(config)) {
        results.add(found.get(parameters.get(name).value()));
      }
      return results;
    });
  }

  @Override
  public Expected expected(Case c, Inputs inputs) {
    return new BlockOracle(c, inputs);
  }
}
