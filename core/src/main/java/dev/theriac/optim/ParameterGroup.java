package dev.theriac.optim;

import dev.theriac.nn.Parameter;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * Parameters that share a learning rate and a weight decay.
 *
 * @param parameters by path; those that are not trainable are left out by optimisers. Kept in the
 *     order of a {@link SequencedMap}; by path when the map has no order of its own, since that of
 *     {@code Map.of} differs between runs, and with it the sums over all parameters
 * @param lr base learning rate, multiplied by the schedule's factor at each step
 * @param weightDecay decoupled (AdamW) or added to the gradient (SGD)
 */
public record ParameterGroup(Map<String, Parameter> parameters, double lr, double weightDecay) {
  public ParameterGroup {
    if (!(lr >= 0 && Double.isFinite(lr) && weightDecay >= 0 && Double.isFinite(weightDecay))) {
      throw new IllegalArgumentException(
          "parameter group: learning rate %s and weight decay %s must be 0 or more"
              .formatted(lr, weightDecay));
    }
    parameters =
        Collections.unmodifiableSequencedMap(
            parameters instanceof SequencedMap<String, Parameter>
                ? new LinkedHashMap<>(parameters)
                : new TreeMap<>(parameters));
  }
}
