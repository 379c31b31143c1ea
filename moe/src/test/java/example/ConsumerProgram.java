package example;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Linear;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/**
 * What somebody who has theriac-moe on the class path may write: fits y = 2a - 3b + 1 and prints
 * the back end, the first and last loss, and the fitted weights.
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
  }
}
