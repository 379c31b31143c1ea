package dev.theriac.moe.medmoe;

import dev.theriac.io.FileException;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.VisionDirectory;
import dev.theriac.vision.image.ImageProcessor;
import dev.theriac.vision.image.Preprocessing;
import dev.theriac.vision.image.Resampling;
import dev.theriac.vision.image.TargetSize;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The image encoder that a published model names in {@code mm_image_tower}, whose sizes are not in
 * the model's own {@code config.json}.
 *
 * @param directory where it lies; null for one of which only the name is known
 * @param unnamed how it is found by those who name no other; null when it is not, is this one, or
 *     is another, in sizes or preprocessing
 */
record VisionTower(
    Path directory, VisionConfig config, Preprocessing preprocessing, Unnamed unnamed) {
  private static final String CONFIG = "config.json";
  private static final String PROCESSOR = "preprocessor_config.json";
  private static final String WHOLE_PROCESSOR = "processor_config.json";

  /**
   * An encoder that a model has without anyone naming one.
   *
   * @param place that describes it, for people
   * @param whole whether it is a part of the model's own directory, weights included
   */
  record Unnamed(String place, boolean whole) {}

  /**
   * Finds it: in {@code given}; where the name leads, as a path; under the name, or its last part,
   * inside the model's directory or beside it; and by OpenAI's names of CLIP.
   *
   * @param model its directory
   * @param given by the user, or null
   * @param name of the field {@code mm_image_tower}; may be empty
   * @param pad whether pictures are put on a square first
   * @throws FileException naming the places when it is in none of them
   */
  static VisionTower find(
      Path model, Path given, String name, int layer, Feature feature, boolean pad) {
    List<Path> places = places(model, name);
    if (given != null) {
      VisionTower out = read(given, layer, feature, pad);
      return new VisionTower(
          given, out.config, out.preprocessing, unnamed(model, places, name, out, pad));
    }
    for (Path place : places) {
      if (Files.isRegularFile(place.resolve(CONFIG))) return read(place, layer, feature, pad);
    }
    VisionConfig known = known(last(name));
    if (known == null) {
      throw new FileException(
          model.resolve(CONFIG),
          "field \"mm_image_tower\" is \"%s\", an encoder that is neither known nor in %s; put its"
                  .formatted(name, places)
              + " directory there, or name it (--vision, ModelParts.vision)");
    }
    return new VisionTower(
        null, known.withFeature(layer, feature), Preprocessing.clip(known.imageSize(), pad), null);
  }

  /** What {@link #find} would find, were the encoder {@code named} not given. */
  private static Unnamed unnamed(
      Path model, List<Path> places, String name, VisionTower named, boolean pad) {
    for (Path place : places) {
      if (!Files.isRegularFile(place.resolve(CONFIG))) continue;
      if (ModelTensors.isSame(place, named.directory)) return null;
      boolean inside = place.startsWith(model.toAbsolutePath().normalize());
      boolean whole = inside && ModelTensors.hasCheckpoint(place);
      return whole || named.isAlso(place, pad) ? new Unnamed(place.toString(), whole) : null;
    }
    VisionConfig known = known(last(name));
    if (known == null) return null;
    // By such a name people call other encoders too; then the one that is named is needed.
    return named.says(
            known.withFeature(named.config.selectLayer(), named.config.feature()),
            Preprocessing.clip(known.imageSize(), pad))
        ? new Unnamed("its name, " + last(name), false)
        : null;
  }

  /** Whether a directory says the same; one that cannot be read does not. */
  private boolean isAlso(Path place, boolean pad) {
    try {
      VisionTower other = read(place, config.selectLayer(), config.feature(), pad);
      return says(other.config, other.preprocessing);
    } catch (FileException | IllegalArgumentException e) {
      return false;
    }
  }

  private boolean says(VisionConfig sizes, Preprocessing pictures) {
    return config.equals(sizes) && preprocessing.equals(pictures);
  }

  private static String last(String name) {
    return name.substring(name.lastIndexOf('/') + 1);
  }

  private static List<Path> places(Path model, String name) {
    List<Path> out = new ArrayList<>();
    if (name.isEmpty()) return out;
    Path absolute = model.toAbsolutePath().normalize();
    try {
      if (Path.of(name).isAbsolute()) out.add(Path.of(name));
      for (String part : new String[] {name, last(name)}) {
        if (part.isEmpty() || Path.of(part).isAbsolute()) continue;
        for (Path at : new Path[] {absolute, absolute.getParent()}) {
          if (at == null) continue;
          Path place = at.resolve(part).normalize();
          // The model's own directory holds no encoder by itself.
          if (!place.equals(absolute) && !out.contains(place)) out.add(place);
        }
      }
    } catch (InvalidPathException e) {
      // A name that is no path leads nowhere.
    }
    return out;
  }

  private static VisionConfig known(String name) {
    return switch (name) {
      case "clip-vit-large-patch14-336" -> VisionConfig.clipLarge336();
      case "clip-vit-large-patch14" -> VisionConfig.clipLarge14();
      case "clip-vit-base-patch32" -> VisionConfig.clipBase32();
      default -> null;
    };
  }

  private static VisionTower read(Path directory, int layer, Feature feature, boolean pad) {
    VisionConfig config =
        VisionDirectory.config(directory).withProjection(0).withFeature(layer, feature);
    boolean described =
        Files.exists(directory.resolve(PROCESSOR))
            || Files.exists(directory.resolve(WHOLE_PROCESSOR));
    return new VisionTower(
        directory, config, described ? preprocessing(directory, pad) : usual(config, pad), null);
  }

  private static Preprocessing usual(VisionConfig config, boolean pad) {
    float[] half = {0.5f, 0.5f, 0.5f};
    return config.family() == VisionConfig.Family.CLIP
        ? Preprocessing.clip(config.imageSize(), pad)
        : new Preprocessing(config.imageSize(), pad, half, half);
  }

  /** Of what a processor may do, only CLIP's steps are those of Med-MoE. */
  private static Preprocessing preprocessing(Path directory, boolean pad) {
    ImageProcessor p = ImageProcessor.read(directory);
    Path alone = directory.resolve(PROCESSOR);
    Path file = Files.exists(alone) ? alone : directory.resolve(WHOLE_PROCESSOR);
    String other = otherStep(p, pad);
    if (other != null) {
      throw new FileException(
          file,
          ("its image processor does other steps than CLIP's (RGB, bicubic to a square, 1/255, mean"
                  + " and deviation), by %s: %s")
              .formatted(other, p));
    }
    float[] mean = three(p.normalisation().mean());
    for (float m : mean) {
      if (m >= 0 && m <= 1) continue;
      throw new FileException(
          file, "its image processor's image_mean has %s; from 0 to 1 is wanted".formatted(m));
    }
    int size =
        p.size() instanceof TargetSize.ShortestEdge s
            ? s.edge()
            : ((TargetSize.Exact) p.size()).width();
    if (size < 1 || size > Preprocessing.MAX_SIZE) {
      throw new FileException(
          file,
          "its image processor's size is %d; from 1 to %d is wanted"
              .formatted(size, Preprocessing.MAX_SIZE));
    }
    return new Preprocessing(size, pad, mean, three(p.normalisation().std()));
  }

  /** The field by which a processor does something else; null for none. */
  private static String otherStep(ImageProcessor p, boolean pad) {
    boolean edge = p.size() instanceof TargetSize.ShortestEdge s && is(p.crop(), s.edge());
    // Without a crop only a picture that is square already keeps its form.
    boolean square =
        pad && p.size() instanceof TargetSize.Exact e && is(e, e.width()) && p.crop() == null;
    if (!edge && !square) return "size (shortest_edge; height, width) or crop_size";
    if (!p.rgb()) return "do_convert_rgb";
    if (p.resampling() != Resampling.BICUBIC) return "resample";
    boolean unit = p.rescale() != null && (float) (double) p.rescale() == 1 / 255f;
    if (!unit) return "do_rescale or rescale_factor";
    return p.normalisation() == null ? "do_normalize" : null;
  }

  private static boolean is(TargetSize.Exact crop, int size) {
    return crop != null && crop.width() == size && crop.height() == size;
  }

  private static float[] three(float[] values) {
    if (values.length == 3) return values;
    float[] out = new float[3];
    Arrays.fill(out, values[0]);
    return out;
  }
}
