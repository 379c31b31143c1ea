package dev.theriac.moe.audit;

import dev.theriac.tensor.Scope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Records a generation into a file, or replays one: run by {@link RestartTest} in JVMs of its own.
 */
public final class RestartProgram {
  private RestartProgram() {}

  /**
   * @param args "record" or "replay", and a file
   */
  public static void main(String[] args) {
    Path file = Path.of(args[1]);
    TinyMixture model = new TinyMixture(1);
    List<RouteRecord> records = new ArrayList<>();
    RoutingRecorder recorder = new RoutingRecorder(records::add);
    try (Scope _ = Scope.open()) {
      if (args[0].equals("record")) {
        var answers = model.generate(TinyMixture.prompts(), TinyMixture.LENGTHS, recorder);
        System.out.println(
            new Trail(model.header(), records, TinyMixture.hash(answers)).write(file).chain());
        return;
      }
      Trail trail = Trail.read(file);
      RoutingReplay replay =
          RoutingReplay.of(
              trail, model.decoder, TrailHeader.Model.of(model.decoder, model.decoder));
      var answers =
          model.generate(TinyMixture.prompts(), TinyMixture.LENGTHS, replay.recording(recorder));
      Trail again = new Trail(trail.header(), records, TinyMixture.hash(answers));
      String difference = trail.difference(again);
      System.out.println(difference == null ? "the same" : difference);
    }
  }
}
