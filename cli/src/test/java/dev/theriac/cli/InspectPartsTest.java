package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelParts;
import dev.theriac.tensor.QuantisedFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code theriac inspect} says of a Med-MoE, and of its parts. */
class InspectPartsTest extends InspectFixture {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llavaphi-2.7b-medmoe|Med-MoE (Phi, experts)|1 of 4 experts for a token in 2 of 4 layers, a"
            + " meta|29,612|24,764",
        "llavastablelm-1.6b-medmoe|Med-MoE (StableLM, experts)|SigLIP of 18 x 18|34,972|28,060",
        "tinymed-phi2|Med-MoE (Phi, experts)|2 of 4 experts for a token in 2 of 4 layers, no"
            + " meta|27,996|24,764",
      })
  void publishedMedMoes(String name, String family, String fact, String all, String active) {
    assertThat(inspect(0, PUBLISHED.resolve(name)).out())
        .contains(
            family,
            fact,
            "parameters         " + all,
            "active for a token " + active,
            "missing            none",
            "whole; Theriac reads it");
  }

  @Test
  void whatAPublishedMedMoeLacksIsSaid() throws IOException {
    Path model = published("llavastablelm-1.6b-medmoe");
    Files.delete(model.resolve("stablelm_router.pth"));
    assertThat(inspect(3, model).out())
        .contains(
            "missing            4",
            "model.layers.{0,2}.mlp.deepspeed_moe.gate.wg.weight  (2)",
            "not whole: see above");
    Path tower = model.resolveSibling("siglip-tiny");
    Files.move(tower, model.resolveSibling("elsewhere"));
    assertThat(inspect(3, model).out())
        .contains("\"mm_image_tower\" is \"/data/models/siglip-tiny\"", "not read: its config");
    assertThat(inspect(3, model, "--vision", model.resolveSibling("elsewhere").toString()).out())
        .contains("missing            4");
    Path first = model.resolveSibling("llavaphi-2.7b-stage1");
    assertThat(inspect(3, first).out())
        .contains("a projector alone", "missing            60", "tokenizer.json is missing");
    assertThat(inspect(0, first, "--language", model.resolveSibling("phi-2").toString()).out())
        .contains("missing            none", "unexpected         none", "left alone         1");
  }

  @Test
  void partsThatAreNotWantedAreSaid() throws IOException {
    String tower = PUBLISHED.resolve("siglip-tiny").toString();
    String language = PUBLISHED.resolve("phi-2").toString();
    causal(CausalLmConfig.Kind.LLAMA, false);
    assertThat(inspect(1, dir, "--vision", tower).err())
        .contains("only of a Med-MoE do parts lie elsewhere", "\"llama\"");
    assertThat(inspect(1, dir.resolve("model.safetensors"), "--vision", tower).err())
        .contains("only of a Med-MoE");
    Path model = published("llavaphi-2.7b-medmoe");
    assertThat(inspect(3, model, "--language", language).out())
        .contains("problem            " + language, "its own language model, in " + model);
    Path first = model.resolveSibling("llavaphi-2.7b-stage1");
    Path own = first.resolve("mm_projector.bin");
    Path other = Files.copy(own, dir.resolve("other.bin"));
    for (String[] whole : new String[][] {{}, {"--language", language}}) {
      String[] named =
          Stream.concat(Stream.of(whole), Stream.of("--projector", "" + other))
              .toArray(String[]::new);
      assertThat(inspect(3, first, named).out())
          .contains("problem            " + other, "its own projector, in " + own);
      named[named.length - 1] = own.toString();
      assertThat(inspect(whole.length == 0 ? 3 : 0, first, named).out())
          .doesNotContain("its own projector");
    }
  }

  @Test
  void missingShardsAreNamedAndTheRestIsCounted() throws IOException {
    Path model = published("llavaphi-2.7b-medmoe");
    Files.delete(model.resolve("model-00002-of-00002.safetensors"));
    String text = inspect(3, model).out();
    assertThat(text)
        .contains(
            "parameters         29,612",
            "missing            78",
            "vision_model.embeddings.class_embedding",
            "vision_model.encoder.layers.{0..2}.self_attn.q_proj.weight  (3)",
            "and more, which --tensors lists",
            "unexpected         none",
            "problem            model-00002-of-00002.safetensors: missing, with the 78 tensors")
        .contains("weights            58.1 KiB in memory");
    assertThat(inspect(3, model, "--tensors").out())
        .doesNotContain("and more")
        .contains("model.layers.3.self_attn.k_proj.bias", "model.layers.1.mlp.fc1.weight  ");
    Files.delete(model.resolve("model.safetensors.index.json"));
    assertThat(inspect(3, model).out())
        .contains(
            "model.safetensors.index.json: missing, which lists the shards",
            "model-00002-of-00002.safetensors: missing");
  }

  @Test
  void aQuantisedLanguageModelOfAFirstStageIsReadByItsOwnConfiguration() throws IOException {
    Path first = published("llavaphi-2.7b-stage1");
    Path eight = dir.resolve("phi-2-int8");
    var format = new Quantisation(QuantisedFormat.INT8, false);
    new Quantiser(first.resolveSibling("phi-2"), eight, format).run();
    assertThat(inspect(0, first, "--language", eight.toString()).out())
        .contains("quantised to int8, for inference", "missing            none", "whole;");
    assertThat(MedMoe.load(first, ModelParts.none().withLanguage(eight)).language().parameters())
        .anySatisfy((path, p) -> assertThat(p.isQuantised()).isTrue());
  }
}
