package dev.theriac.moe.medmoe;

import dev.theriac.io.FileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the parts of a published model lie that its directory does not hold. A directory that
 * Theriac wrote needs none. Each may be null, to be looked for as {@link ModelDirectory#load(Path,
 * ModelParts)} says. One that the model has already is refused, unless it is that same file, or the
 * directory in which that part lies.
 *
 * @param vision directory of the image encoder, with {@code config.json} and, if the checkpoint has
 *     not its weights, those; where it has, they are taken
 * @param language directory of the language model, where the checkpoint has not its weights, as
 *     after the first stage, or not its tokenizer
 * @param projector file with the projector alone, such as {@code mm_projector.bin}
 * @param router file with the router alone, such as {@code phi_router.pth}, which every layer of
 *     experts gets
 */
public record ModelParts(Path vision, Path language, Path projector, Path router) {
  private static final ModelParts NONE = new ModelParts(null, null, null, null);

  /** Nothing given. */
  public static ModelParts none() {
    return NONE;
  }

  /**
   * For a model that is whole by itself.
   *
   * @param type its {@code model_type}; empty when it is not known
   * @throws FileException when a part is named
   */
  public void requireNone(Path model, String type) {
    if (equals(NONE)) return;
    throw new FileException(
        model,
        "only of a Med-MoE do parts lie elsewhere, and this is %s; leave out %s (ModelParts)"
            .formatted(type.isEmpty() ? "none" : "a \"" + type + "\"", named()));
  }

  /** The options that give what is given, with its place. */
  private String named() {
    List<String> out = new ArrayList<>();
    if (vision != null) out.add("--vision " + vision);
    if (language != null) out.add("--language " + language);
    if (projector != null) out.add("--projector " + projector);
    if (router != null) out.add("--router " + router);
    String last = out.removeLast();
    return out.isEmpty() ? last : String.join(", ", out) + " and " + last;
  }

  /** The same with a directory of the image encoder. */
  public ModelParts withVision(Path directory) {
    return new ModelParts(directory, language, projector, router);
  }

  /** The same with a directory of the language model. */
  public ModelParts withLanguage(Path directory) {
    return new ModelParts(vision, directory, projector, router);
  }

  /** The same with a file of the projector. */
  public ModelParts withProjector(Path file) {
    return new ModelParts(vision, language, file, router);
  }

  /** The same with a file of the router. */
  public ModelParts withRouter(Path file) {
    return new ModelParts(vision, language, projector, file);
  }
}
