package dev.theriac.bench.dispatch;

import dev.theriac.bench.frame.Work;
import java.util.List;

/**
 * A mixture-of-experts layer. FLOPs and bytes are those of the survey of engines' section 11: each
 * tensor once, f32.
 *
 * @param id short name
 * @param tokens T
 * @param dim d
 * @param hidden n
 * @param experts E
 * @param topK k
 * @param gated SwiGLU without biases, or GELU (tanh form) with biases
 * @param meta whether an expert beside the E takes every token with weight 1; it is counted as
 *     expert E and as one more choice of each token
 */
public record MoeShape(
    String id,
    int tokens,
    int dim,
    int hidden,
    int experts,
    int topK,
    boolean gated,
    boolean meta) {
  private static final List<MoeShape> ALL =
      List.of(
          new MoeShape("S", 1024, 256, 512, 8, 2, true, false),
          new MoeShape("M", 2048, 512, 1024, 16, 2, true, false),
          new MoeShape("L", 2048, 1024, 704, 64, 6, true, false),
          new MoeShape("stablelm", 1024, 2048, 5632, 4, 1, true, true),
          new MoeShape("phi2", 1024, 2560, 10240, 4, 1, false, true),
          new MoeShape("Q1", 1, 2048, 768, 128, 8, true, false),
          new MoeShape("Q8", 8, 2048, 768, 128, 8, true, false),
          new MoeShape("Q128", 128, 2048, 768, 128, 8, true, false),
          new MoeShape("Q512", 512, 2048, 768, 128, 8, true, false),
          new MoeShape("G1", 1, 2880, 2880, 32, 4, true, false),
          new MoeShape("G8", 8, 2880, 2880, 32, 4, true, false),
          new MoeShape("G128", 128, 2880, 2880, 32, 4, true, false),
          new MoeShape("G512", 512, 2880, 2880, 32, 4, true, false),
          new MoeShape("tiny", 24, 16, 24, 4, 2, true, false));

  /** The named shapes. */
  static List<MoeShape> all() {
    return ALL;
  }

  /** By id. */
  public static MoeShape of(String id) {
    for (MoeShape shape : ALL) {
      if (shape.id.equals(id)) return shape;
    }
    throw new IllegalArgumentException(
        "no shape \"%s\"; there are %s".formatted(id, ALL.stream().map(MoeShape::id).toList()));
  }

  /** As tables show it. */
  public String text() {
    return "%s: T %d, d %d, n %d, E %d, k %d%s, %s"
        .formatted(
            id,
            tokens,
            dim,
            hidden,
            experts,
            topK,
            meta ? " + meta" : "",
            gated ? "SwiGLU" : "GELU");
  }

  /** Experts, the meta expert among them. */
  public int groups() {
    return experts + (meta ? 1 : 0);
  }

  /** Choices of a token, the meta expert among them. */
  public int choices() {
    return topK + (meta ? 1 : 0);
  }

  /** R = T times choices. */
  public long rows() {
    return (long) tokens * choices();
  }

  private int matrices() {
    return gated ? 3 : 2;
  }

  private int zs() {
    return gated ? 2 : 1;
  }

  /** Bytes of the weights of {@code used} experts. */
  double weightBytes(long used) {
    double biases = gated ? 0 : hidden + dim;
    return 4.0 * used * ((double) matrices() * dim * hidden + biases);
  }

  Work router() {
    return new Work(
        2.0 * tokens * dim * experts, 4.0 * (tokens * (dim + 2.0 * experts) + dim * experts));
  }

  Work topKWork() {
    return new Work(0, tokens * (4.0 * experts + 12.0 * topK));
  }

  /** Reads the ids, writes row tables. */
  Work index() {
    return new Work(0, 8.0 * (4 * rows() + groups() + tokens));
  }

  /** As a pass of its own, which the fused forward does not have. */
  Work gather() {
    return new Work(0, 4.0 * dim * (tokens + rows()));
  }

  Work gemm1(long used) {
    double share = (matrices() - 1.0) / matrices();
    return new Work(
        2.0 * zs() * rows() * dim * hidden,
        share * weightBytes(used) + 4.0 * (tokens * dim + (1 + zs()) * rows() * (double) hidden));
  }

  Work activation() {
    return new Work(10.0 * rows() * hidden, 4.0 * rows() * hidden * (1 + zs()));
  }

  Work gemm2(long used) {
    return new Work(
        2.0 * rows() * dim * hidden,
        weightBytes(used) / matrices() + 4.0 * rows() * ((double) hidden + dim));
  }

  Work combine() {
    return new Work(2.0 * rows() * dim, 4.0 * dim * (rows() + tokens));
  }

  /** Inference: the weights of the experts that have rows, x and the output. */
  public Work forward(long used) {
    return new Work(
        2.0 * matrices() * rows() * dim * hidden,
        weightBytes(used) + 8.0 * tokens * dim + 12.0 * rows());
  }

  Work backwardInput(long used) {
    double z = 4.0 * zs() * rows() * hidden;
    return new Work(
        2.0 * matrices() * rows() * dim * hidden,
        weightBytes(used) + 8.0 * tokens * dim + 2 * z + 4.0 * rows() * hidden);
  }

  Work backwardWeights() {
    double dz = 4.0 * zs() * rows() * hidden;
    return new Work(
        2.0 * matrices() * rows() * dim * hidden,
        weightBytes(groups()) + 8.0 * tokens * dim + dz + 4.0 * rows() * hidden);
  }

  /** Training: forward storing z, then both halves of the backward pass. */
  public Work forwardBackward(long used) {
    return forward(used)
        .plus(new Work(0, 4.0 * zs() * rows() * hidden))
        .plus(backwardInput(used))
        .plus(backwardWeights());
  }

  /** AdamW: four words read and three written for each parameter of every expert. */
  Work optimiser() {
    return new Work(0, 7 * weightBytes(groups()));
  }

  /** What forward and backward cannot do without: x, z, routing, output, gradients. */
  double savedBytes() {
    double tokenRows = 4.0 * tokens * dim;
    double z = 4.0 * zs() * rows() * hidden;
    double routing = 8.0 * (3 * rows() + groups() + tokens) + 8.0 * rows();
    return 3 * tokenRows + z + routing + weightBytes(groups());
  }
}
