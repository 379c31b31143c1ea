package dev.theriac.moe.medmoe.train;

import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.prompt.Template;
import java.util.function.Predicate;

/** The three stages of Med-MoE's training (section 3 of the paper, and its published scripts). */
public enum Stage {
  /** Images with their captions: the projector learns to speak to the language model. */
  ALIGN,
  /** Conversations about images: projector and language model. */
  INSTRUCT,
  /**
   * Domain questions, after {@link MedMoe#upcycle}: experts, meta experts, the dense feed-forwards
   * of the other layers and the projector; attention, norms, embeddings, head and routers are
   * frozen.
   */
  MOE;

  /** How conversations are written in this stage. */
  public Template template() {
    return this == ALIGN ? Template.PLAIN : Template.PHI;
  }

  /** Which parameters, by path, this stage trains. */
  public Predicate<String> trained(StageOptions options) {
    return switch (this) {
      case ALIGN, INSTRUCT ->
          path ->
              path.startsWith("projector.")
                  || path.startsWith("language.") && (this == INSTRUCT || options.trainLanguage())
                  || path.startsWith("vision.") && options.trainVision();
      case MOE ->
          path ->
              path.startsWith("projector.")
                  || path.startsWith("language.layers.")
                      && path.contains(".mlp.")
                      && !path.contains(".mlp.gate.");
    };
  }

  /**
   * A trainer with the published settings of this stage.
   *
   * @throws IllegalStateException for {@link #MOE} on a dense model, or another stage on a mixture
   */
  public StageTrainer trainer(MedMoe model, Dataset data) {
    return new StageTrainer(this, model, data);
  }
}
