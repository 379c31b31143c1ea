package dev.theriac.bench.fullsize;

import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The built-in tokenizer with as many more merges, of pairs of its tokens, as a published
 * vocabulary has: so large a file takes its time to be read. What they mean does not matter.
 */
final class WideTokenizer {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String BLANK = "\u0120";

  private WideTokenizer() {}

  /**
   * @param tokens in all
   */
  static HuggingFaceTokenizerFile of(int tokens) {
    ObjectNode root = (ObjectNode) JSON.readTree(BuiltInTokenizer.json());
    ObjectNode vocabulary = (ObjectNode) root.path("model").path("vocab");
    ArrayNode merges = (ArrayNode) root.path("model").path("merges");
    int next = highest(root) + 1;
    List<String> parts = new ArrayList<>();
    for (String token : vocabulary.propertyNames()) if (!token.startsWith("<|")) parts.add(token);
    for (String left : parts) {
      for (String right : parts) {
        if (next == tokens) {
          byte[] json = JSON.writeValueAsBytes(root);
          return HuggingFaceTokenizerFile.parse(json, "a tokenizer made up", null, null);
        }
        // Words are merged one by one: a pair of two would never be seen.
        if (right.startsWith(BLANK) || vocabulary.has(left + right)) continue;
        vocabulary.put(left + right, next++);
        merges.addArray().add(left).add(right);
      }
    }
    throw new IllegalArgumentException("no vocabulary of " + tokens + " tokens");
  }

  private static int highest(ObjectNode root) {
    int highest = -1;
    for (var id : root.path("model").path("vocab")) highest = Math.max(highest, id.asInt());
    for (var token : root.path("added_tokens")) {
      highest = Math.max(highest, token.path("id").asInt());
    }
    return highest;
  }
}
