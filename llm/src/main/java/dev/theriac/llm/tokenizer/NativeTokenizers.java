package dev.theriac.llm.tokenizer;

import ai.djl.huggingface.tokenizers.jni.LibUtils;

/**
 * Loads the native part of the tokenizers library once, offline, and keeps the reason if it fails.
 */
final class NativeTokenizers {
  private static final Throwable FAILURE = load();

  private NativeTokenizers() {}

  private static Throwable load() {
    // The library would look for a CUDA build of itself on machines with a GPU, and fetch it.
    setIfAbsent("RUST_FLAVOR", "cpu");
    setIfAbsent("ai.djl.offline", "true");
    setIfAbsent("OPT_OUT_TRACKING", "true");
    try {
      LibUtils.checkStatus();
      return null;
    } catch (RuntimeException | LinkageError e) {
      return e;
    }
  }

  private static void setIfAbsent(String property, String value) {
    if (System.getProperty(property) == null && System.getenv(property) == null) {
      System.setProperty(property, value);
    }
  }

  /** Returns if the native part is loaded; else throws with what was tried and the remedy. */
  static void require() {
    if (FAILURE != null) {
      throw new TokenizerException(message(FAILURE), FAILURE);
    }
  }

  static String message(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    String cache = System.getProperty("DJL_CACHE_DIR", System.getenv("DJL_CACHE_DIR"));
    return """
    the native part of the tokenizers library cannot be loaded on %s/%s (%s). It is unpacked \
    to %s, which must be writable and allow execution: set -DDJL_CACHE_DIR=FOLDER to another \
    folder. On a platform for which the library ships none, build it and set \
    -DRUST_LIBRARY_PATH=FOLDER to where it lies.\
    """
        .formatted(
            System.getProperty("os.name"),
            System.getProperty("os.arch"),
            root,
            cache == null ? "~/.djl.ai" : cache);
  }
}
