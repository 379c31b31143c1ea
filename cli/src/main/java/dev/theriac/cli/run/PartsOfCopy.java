package dev.theriac.cli.run;

import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelParts;
import java.nio.file.Path;

/**
 * Parts of a Med-MoE that a copy of it needs in another place: small ones go along, the image
 * encoder stays where it is.
 *
 * @param vision directory of the image encoder; null when the copy needs none
 * @param projector to go along, or null
 * @param router to go along, or null
 */
public record PartsOfCopy(Path vision, Path projector, Path router) {
  /** Nothing. */
  public static PartsOfCopy none() {
    return new PartsOfCopy(null, null, null);
  }

  /**
   * Finds them.
   *
   * @param type {@code model_type} of the model
   * @param parts that users name
   * @throws FileException when one that is named is not wanted, or the image encoder is nowhere
   */
  public static PartsOfCopy of(Path model, String type, ModelParts parts) {
    if (!ModelDirectory.MODEL_TYPES.contains(type)) {
      parts.requireNone(model, type);
      return none();
    }
    ModelDirectory.Contents found =
        ModelDirectory.contents(
            model, parts, PartialWeights.open(ModelDirectory.checkpoint(model, parts)));
    if (!found.problems().isEmpty()) throw new FileException(model, found.problems().getFirst());
    return new PartsOfCopy(found.vision(), parts.projector(), parts.router());
  }

  /** The same for a copy that is not read now: what is nowhere is not wanted. */
  public static PartsOfCopy ifFound(Path model, String type) {
    try {
      return of(model, type, ModelParts.none());
    } catch (FileException e) {
      return none();
    }
  }

  /** Has them written beside the quantised weights, under the names that loading looks for. */
  public void goAlong(Quantiser quantiser, String type) {
    if (projector != null) quantiser.along(projector, ModelDirectory.PROJECTOR);
    if (router != null) quantiser.along(router, ModelDirectory.router(type));
  }

  /** Where the parts of the copy lie that are not found from its directory. */
  public ModelParts elsewhere(Path copy) {
    return isFoundFrom(copy) ? ModelParts.none() : ModelParts.none().withVision(vision);
  }

  /**
   * Whether the copy is read without anyone saying where the image encoder is. Of a well-known name
   * the configuration alone is not enough: its weights must be found too. Nor is an encoder found
   * that is another, in sizes or preprocessing.
   */
  public boolean isFoundFrom(Path copy) {
    if (vision == null) return true;
    try {
      ModelDirectory.Contents found =
          ModelDirectory.contents(copy, ModelParts.none(), PartialWeights.open(copy));
      ModelDirectory.Contents named =
          ModelDirectory.contents(
              copy, ModelParts.none().withVision(vision), PartialWeights.open(copy));
      // What cannot be named beside the copy's own is not needed.
      boolean another =
          named.problems().isEmpty()
              && !(found.shape().equals(named.shape())
                  && found.preprocessing().equals(named.preprocessing()));
      return !another
          && found.problems().isEmpty()
          && found.wanted().keySet().stream()
              .allMatch(key -> found.found().containsKey(key) || found.derived().contains(key));
    } catch (FileException e) {
      return false;
    }
  }
}
