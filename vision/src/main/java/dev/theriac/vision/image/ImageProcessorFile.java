package dev.theriac.vision.image;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.vision.image.ImageProcessor.Normalisation;
import dev.theriac.vision.image.TargetSize.Exact;
import dev.theriac.vision.image.TargetSize.ShortestEdge;
import dev.theriac.vision.image.TargetSize.ShortestWithin;
import dev.theriac.vision.image.TargetSize.Within;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * An image processor's {@code preprocessor_config.json} as Hugging Face's transformers reads it.
 * Missing fields have the defaults of the class that the file names; fields that transformers does
 * not know are ignored, as it does; those that it honours and Theriac does not are errors.
 */
final class ImageProcessorFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String FILE = "preprocessor_config.json";
  private static final String WHOLE = "processor_config.json";

  private final ConfigFields in;
  private final boolean clip;

  private ImageProcessorFile(ConfigFields in) {
    this.in = in;
    clip = isClip();
  }

  static ImageProcessor read(Path path) {
    if (!Files.isDirectory(path)) return new ImageProcessorFile(ConfigFields.read(path)).read();
    Path file = path.resolve(FILE);
    Path whole = path.resolve(WHOLE);
    if (!Files.exists(file) && Files.exists(whole)) {
      return new ImageProcessorFile(ConfigFields.read(whole).object("image_processor")).read();
    }
    return new ImageProcessorFile(ConfigFields.read(file)).read();
  }

  private boolean isClip() {
    String field =
        in.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type";
    return switch (in.text(field, "CLIPImageProcessor")) {
      case "CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor" -> true;
      case "SiglipImageProcessor", "SiglipImageProcessorFast" -> false;
      default -> throw in.wrong(field, "CLIPImageProcessor or SiglipImageProcessor");
    };
  }

  private ImageProcessor read() {
    for (String name : new String[] {"do_pad", "use_square_size"}) {
      if (in.flag(name, false))
        throw in.wrong(name, "false (padding and squares are not supported)");
    }
    try {
      return new ImageProcessor(
          in.flag("do_convert_rgb", true),
          false,
          wanted("do_resize", true) ? size() : null,
          resampling(),
          wanted("do_center_crop", clip) ? crop() : null,
          wanted("do_rescale", true) ? factor() : null,
          wanted("do_normalize", true) ? normalisation() : null);
    } catch (IllegalArgumentException e) {
      throw new FileException(in.file(), e.getMessage(), e);
    }
  }

  /** A null is a no to transformers, beside a missing field. */
  private boolean wanted(String step, boolean missing) {
    return !in.isNull(step) && in.flag(step, missing);
  }

  private TargetSize size() {
    if (!in.has("size")) return clip ? new ShortestEdge(224) : new Exact(224, 224);
    if (!in.isObject("size")) {
      List<Integer> edges = in.anyIntegers("size");
      if (edges.size() == 2) return new Exact(edges.get(0), edges.get(1));
      if (edges.size() != 1) throw in.wrong("size", "a number, or height and width,");
      int edge = edges.getFirst();
      return in.flag("default_to_square", false) ? new Exact(edge, edge) : new ShortestEdge(edge);
    }
    ConfigFields size = in.object("size");
    TargetSize out = null;
    if (size.has("shortest_edge")) {
      int shortest = size.integer("shortest_edge");
      out =
          size.has("longest_edge")
              ? new ShortestWithin(shortest, size.integer("longest_edge"))
              : new ShortestEdge(shortest);
    } else if (size.has("height")) {
      out = new Exact(size.integer("height"), size.integer("width"));
    } else if (size.has("max_height")) {
      out = new Within(size.integer("max_height"), size.integer("max_width"));
    } else {
      throw in.wrong("size", "shortest_edge, height and width, or max_height and max_width");
    }
    size.nothingBut();
    return out;
  }

  private Exact crop() {
    if (!in.has("crop_size")) return new Exact(224, 224);
    if (!in.isObject("crop_size")) {
      List<Integer> edges = in.anyIntegers("crop_size");
      if (edges.isEmpty() || edges.size() > 2) {
        throw in.wrong("crop_size", "a number, or height and width,");
      }
      return new Exact(edges.getFirst(), edges.getLast());
    }
    ConfigFields crop = in.object("crop_size");
    Exact out = new Exact(crop.integer("height"), crop.integer("width"));
    crop.nothingBut();
    return out;
  }

  private Resampling resampling() {
    int code = in.integer("resample", Resampling.BICUBIC.code());
    if (code >= 0 && code < Resampling.values().length) return Resampling.values()[code];
    throw in.wrong(
        "resample",
        "0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or 5" + " (Hamming)");
  }

  private double factor() {
    return in.number("rescale_factor", ImageProcessor.TO_UNIT, -Float.MAX_VALUE, Float.MAX_VALUE);
  }

  private Normalisation normalisation() {
    Preprocessing usual = Preprocessing.clip(224, false);
    float[] half = {0.5f, 0.5f, 0.5f};
    float[] mean = numbers("image_mean", clip ? usual.mean() : half);
    float[] std = numbers("image_std", clip ? usual.std() : half);
    for (float m : mean) if (!Float.isFinite(m)) throw in.wrong("image_mean", "finite numbers");
    for (float s : std) {
      boolean positive = s > 0 && Float.isFinite(s);
      if (!positive) throw in.wrong("image_std", "finite numbers above 0");
    }
    // One number stands for all channels; beside three it is repeated.
    int count = Math.max(mean.length, std.length);
    return new Normalisation(repeat(mean, count), repeat(std, count));
  }

  private float[] numbers(String name, float[] missing) {
    if (!in.has(name)) return missing;
    float[] values = in.anyFloats(name);
    if (values.length == 1 || values.length == 3) return values;
    throw in.wrong(name, "one number or three");
  }

  private static float[] repeat(float[] values, int count) {
    if (values.length == count) return values;
    float[] out = new float[count];
    java.util.Arrays.fill(out, values[0]);
    return out;
  }

  static String write(ImageProcessor p) {
    ObjectNode root = JSON.createObjectNode();
    root.put("image_processor_type", "CLIPImageProcessor");
    root.put("do_convert_rgb", p.rgb());
    root.put("do_resize", p.size() != null);
    if (p.size() != null) {
      ObjectNode size = root.putObject("size");
      switch (p.size()) {
        case ShortestEdge s -> size.put("shortest_edge", s.edge());
        case Exact s -> size.put("height", s.height()).put("width", s.width());
        case ShortestWithin s ->
            size.put("shortest_edge", s.shortest()).put("longest_edge", s.longest());
        case Within s -> size.put("max_height", s.height()).put("max_width", s.width());
      }
    }
    if (p.resampling() != null) root.put("resample", p.resampling().code());
    root.put("do_center_crop", p.crop() != null);
    if (p.crop() != null) {
      root.putObject("crop_size").put("height", p.crop().height()).put("width", p.crop().width());
    }
    root.put("do_rescale", p.rescale() != null);
    if (p.rescale() != null) root.put("rescale_factor", p.rescale());
    root.put("do_normalize", p.normalisation() != null);
    if (p.normalisation() != null) {
      array(root.putArray("image_mean"), p.normalisation().mean());
      array(root.putArray("image_std"), p.normalisation().std());
    }
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  private static void array(ArrayNode to, float[] values) {
    for (float v : values) to.add(v);
  }
}
