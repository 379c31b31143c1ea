package dev.theriac.moe.audit;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Trails of one device on another. */
class DeviceAuditTest {
  private static Trail record(TinyMixture model) {
    List<RouteRecord> records = new ArrayList<>();
    List<int[]> answers =
        model.generate(
            TinyMixture.prompts(), TinyMixture.LENGTHS, new RoutingRecorder(records::add));
    return new Trail(model.header(), records, TinyMixture.hash(answers));
  }

  @Test
  void aTrailIsTheSameWhereverTheModelIs() {
    Backends.with(
        Backends.scalar(),
        () -> {
          TinyMixture model = new TinyMixture(1);
          Trail here = record(model);
          model.decoder.to(DEVICE);
          Trail there = record(model);
          assertThat(there.header()).isEqualTo(here.header());
          assertThat(here.difference(there)).isNull();
          List<RouteRecord> records = new ArrayList<>();
          RoutingReplay replay = RoutingReplay.of(here, model.decoder, here.header().model());
          List<int[]> answers =
              model.generate(
                  TinyMixture.prompts(),
                  TinyMixture.LENGTHS,
                  replay.recording(new RoutingRecorder(records::add)));
          Trail again = new Trail(here.header(), records, TinyMixture.hash(answers));
          assertThat(here.difference(again)).isNull();
          return null;
        });
  }
}
