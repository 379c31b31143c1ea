package dev.theriac.llm;

import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What the model directories of all families share. */
public final class ModelFiles {
  /** The size above which weights are cut into shards, as published models are. */
  public static final long SHARD_BYTES = 5_000_000_000L;

  /** The model's shape. */
  public static final String CONFIG = "config.json";

  /** How it is meant to generate. */
  public static final String GENERATION = "generation_config.json";

  /** What a tokenizer may consist of, in new and older forms. */
  public static final List<String> TOKENIZER =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.json",
          "merges.txt",
          "tokenizer.model",
          "chat_template.jinja",
          "chat_template.json");

  /** The projector of a Med-MoE beside a checkpoint that has none. */
  public static final String PROJECTOR = "mm_projector.bin";

  /**
   * Under which names a Med-MoE's routers lie beside a checkpoint that has none, by its decoder.
   */
  private static final Map<String, String> ROUTERS =
      Map.of("phi", "phi_router.pth", "stablelm", "stablelm_router.pth");

  /** Larger ones are none of a model's small files. */
  private static final long SMALL = 1 << 26;

  private static final JsonMapper JSON = JsonMapper.builder().build();

  private ModelFiles() {}

  /**
   * The name of the router beside the checkpoint of a Med-MoE.
   *
   * @param type its {@code model_type}
   */
  public static String router(String type) {
    return ROUTERS.get(type.endsWith("stablelm") ? "stablelm" : "phi");
  }

  /** PyTorch's name of a type. */
  public static String torchName(DType dtype) {
    return switch (dtype) {
      case BF16 -> "bfloat16";
      case F16 -> "float16";
      default -> "float32";
    };
  }

  /** JSON as people read it, with a line feed at the end. */
  public static String pretty(JsonNode root) {
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  /** Text as bytes of a file. */
  public static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Small files as they are, by name.
   *
   * @param directories in which they are looked for, the first that has one first
   * @throws FileException when one cannot be read, or is larger than 64 MiB
   */
  public static SequencedMap<String, byte[]> read(Collection<String> names, Path... directories) {
    SequencedMap<String, byte[]> out = new LinkedHashMap<>();
    for (String name : names) {
      for (Path directory : directories) {
        Path file = directory.resolve(name);
        if (!out.containsKey(name) && Files.isRegularFile(file)) out.put(name, read(file));
      }
    }
    return out;
  }

  private static byte[] read(Path file) {
    try {
      if (Files.size(file) > SMALL) {
        throw new FileException(
            file, "%d bytes; at most %d are read".formatted(Files.size(file), SMALL));
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /** The field {@code eos_token_id}: null, a number, or a list of several. */
  static void endIds(ObjectNode root, Collection<Integer> ids) {
    if (ids.size() > 1) {
      ids.stream().sorted().forEach(root.withArray("eos_token_id")::add);
    } else {
      root.put("eos_token_id", ids.isEmpty() ? null : ids.iterator().next());
    }
  }

  /**
   * Writes a model, replacing one that is there: the small files' bytes beside the old ones, then
   * the weights, and only then do the small ones take their names. A full disk leaves the earlier
   * model as it was in all but the last steps.
   *
   * @param small content of each small file by its name in the directory
   * @param weights by the names of the checkpoint
   * @param metadata of the safetensors files
   * @throws dev.theriac.io.FileException when a file cannot be written
   */
  public static void write(
      Path directory,
      SequencedMap<String, byte[]> small,
      SequencedMap<String, Tensor> weights,
      Map<String, String> metadata,
      long shardBytes) {
    writeAround(
        directory,
        List.copyOf(small.entrySet()),
        () -> SafeTensors.writeModel(directory, weights, metadata, shardBytes));
  }

  /**
   * The same of tensors that are made one after the other, as {@link SafeTensors#writeSources} has
   * it.
   */
  public static void writeSources(
      Path directory,
      SequencedMap<String, byte[]> small,
      SequencedMap<String, SafeTensors.Source> weights,
      Map<String, String> metadata,
      long shardBytes) {
    writeAround(
        directory,
        List.copyOf(small.entrySet()),
        () -> SafeTensors.writeSources(directory, weights, metadata, shardBytes));
  }

  private static void writeAround(
      Path directory, List<Map.Entry<String, byte[]>> files, Runnable last) {
    if (files.isEmpty()) {
      last.run();
      return;
    }
    AtomicFile.write(
        directory.resolve(files.getFirst().getKey()),
        out -> {
          out.write(files.getFirst().getValue());
          writeAround(directory, files.subList(1, files.size()), last);
        });
  }
}
