package example;

import dev.theriac.backend.Backends;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.nn.Linear;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;

/**
 * What somebody who has theriac-moe on the class path may write: fits y = 2a - 3b + 1 and prints
 * the back end, the first and last loss, and the fitted weights; then a Med-MoE from end to end.
 */
public final class ConsumerProgram {
  private ConsumerProgram() {}

  public static void main(String[] args) {
    var rng = new Rng(7);
    Tensor x = Tensor.uniform(rng, -1, 1, 64, 2);
    Tensor wanted = Tensor.of(new float[] {2, -3}, 1, 2).mul(x).sum(1, true).add(1);
    var model = new Linear(2, 1, true, rng, 0.1);
    float first = 0;
    float last = 0;
    for (int step = 0; step < 200; step++) {
      try (Scope _ = Scope.open()) {
        Tensor error = model.forward(x).sub(wanted);
        Tensor loss = error.mul(error).mean();
        last = loss.item();
        if (step == 0) first = last;
        Gradients gradients = loss.backward();
        for (var parameter : model.parameters().values()) {
          parameter.set(parameter.value().sub(gradients.get(parameter.value()).mul(0.3)));
        }
      }
    }
    System.out.println("backend " + Backends.cpu().backend().name());
    System.out.println("first " + first);
    System.out.println("last " + last);
    System.out.println(
        "weight " + model.weight().value().get(0, 0) + " " + model.weight().value().get(0, 1));
    System.out.println("bias " + model.bias().value().get(0));
    System.out.println("answer " + answer(rng).length());
  }

  /** Trains a tiny Med-MoE for a step of two stages, makes experts and asks it something. */
  private static String answer(Rng rng) {
    var phantoms = Phantoms.train(1, 4);
    var vision = new VisionTransformer(VisionConfig.small(32), rng);
    MedMoe dense =
        MedMoe.builder()
            .vision(vision)
            .language(new Decoder(DecoderConfig.small(512), rng))
            .build();
    Stage.INSTRUCT
        .trainer(dense, PhantomSets.questions(phantoms))
        .options(StageOptions.fromScratch(Stage.INSTRUCT, 1))
        .run();
    var router =
        new Router(dense.language().config().dim(), 4, 1, Router.Weighting.PROBABILITY, rng);
    MedMoe moe = dense.upcycle(router, MoeOptions.medMoe());
    Stage.MOE
        .trainer(moe, PhantomSets.questions(phantoms))
        .options(StageOptions.fromScratch(Stage.MOE, 1))
        .run();
    return moe.ask(phantoms.getFirst().image(), "Which imaging modality is this?");
  }
}
