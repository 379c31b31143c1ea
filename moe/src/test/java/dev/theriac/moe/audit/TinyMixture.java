package dev.theriac.moe.audit;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Generator;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Set;

/** A decoder of four layers, two of them with experts that differ, and prompts for it. */
final class TinyMixture {
  static final int DIM = 12;
  static final int EXPERTS = 5;
  static final int TOP_K = 2;
  static final long[] LENGTHS = {6, 3, 5};

  final Decoder decoder;

  TinyMixture(long seed) {
    decoder =
        new Decoder(
            new DecoderConfig(Family.PHI, 40, DIM, 20, 4, 2, 2, 4, 1e4, 64, 1e-5, 0, 0.4),
            new Rng(seed));
    for (int layer : new int[] {1, 3}) {
      Router router =
          new Router(DIM, EXPERTS, TOP_K, Router.Weighting.RENORMALISED, new Rng(seed + layer));
      MoeLayer moe = MoeLayer.upcycle(decoder.layers().get(layer).feedForward(), router, true);
      // Copies of one feed-forward would hide a wrong expert.
      moe.experts()
          .parameters()
          .forEach(
              (path, p) -> p.set(Tensor.randn(new Rng(seed + 10 + layer), 0.5, p.value().shape())));
      decoder.layers().get(layer).setFeedForward(moe);
    }
    decoder.train(false);
  }

  static Tensor prompts() {
    return Tensor.randn(new Rng(99), 1, LENGTHS.length, 6, DIM);
  }

  List<int[]> generate(Tensor prompts, long[] lengths, Generator.PassListener listener) {
    return new Generator(decoder, new GenerationConfig(7, 0.8, 0, 1, 1, 5, Set.of()))
        .onPass(listener)
        .generate(prompts, lengths);
  }

  TrailHeader header() {
    return new TrailHeader(
        "test",
        TrailHeader.Model.of(decoder, decoder),
        new Fingerprint().add("prompts", prompts().toFloats()).hex(),
        TrailHeader.layersOf(decoder),
        List.of(),
        new LinkedHashMap<>());
  }

  static String hash(List<int[]> answers) {
    Fingerprint out = new Fingerprint();
    for (int i = 0; i < answers.size(); i++) out.add("answer " + i, answers.get(i));
    return out.hex();
  }
}
