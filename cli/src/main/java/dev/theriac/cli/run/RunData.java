package dev.theriac.cli.run;

import dev.theriac.cli.config.TrainConfig;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.data.Modality;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.data.PneumoniaMnist;
import dev.theriac.moe.medmoe.data.PneumoniaMnist.Split;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.data.VqaFile;
import dev.theriac.tensor.Rng;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The data sets of a run.
 *
 * @param align for stage 1
 * @param instruct for stage 2
 * @param labelled for the router
 * @param moe for stage 3
 * @param validation to choose the model by, or null
 * @param test to report on
 * @param routerTest to measure the router on
 * @param note what the data is, one sentence
 */
public record RunData(
    Dataset align,
    Dataset instruct,
    Dataset labelled,
    Dataset moe,
    Dataset validation,
    Dataset test,
    Dataset routerTest,
    String note) {
  private static final long SUBSET = 0x5355_4253_4554_0000L;

  /** Reads or draws what the configuration names. */
  public static RunData of(TrainConfig config) {
    return switch (config.data().format()) {
      case PHANTOMS -> phantoms(config);
      case PNEUMONIA_MNIST -> pneumonia(config);
      case VQA -> vqa(config);
    };
  }

  /** The test set alone. */
  public static Dataset test(TrainConfig config) {
    TrainConfig.Data data = config.data();
    return switch (data.format()) {
      case PHANTOMS -> phantomQuestions(config.seed(), data.held(), config.model().imageSize());
      case PNEUMONIA_MNIST -> PneumoniaMnist.read(data.file(), Split.TEST).evaluation();
      case VQA -> VqaFile.read(data.test(), data.images(), VqaFile.Kind.TEST);
    };
  }

  /** Every question about the first {@code count} test phantoms of a seed. */
  public static Dataset phantomQuestions(long seed, int count, int imageSize) {
    return PhantomSets.questions(Phantoms.test(seed, count, imageSize));
  }

  private static RunData phantoms(TrainConfig config) {
    TrainConfig.Data data = config.data();
    int size = config.model().imageSize();
    List<Phantom> drawn = Phantoms.train(config.seed(), data.train() + data.held(), size);
    List<Phantom> train = drawn.subList(0, data.train());
    Dataset questions = PhantomSets.questions(train);
    Dataset talks = data.conversations() ? PhantomSets.conversations(train) : questions;
    Dataset validation = PhantomSets.questions(drawn.subList(data.train(), drawn.size()));
    Dataset test = test(config);
    return new RunData(
        data.captions() == TrainConfig.Captions.SHORT
            ? PhantomSets.shortCaptions(train)
            : PhantomSets.captions(train),
        talks,
        subset(questions, config.router().samples(), config.seed()),
        talks,
        subset(validation, config.evaluation().validation(), config.seed()),
        test,
        test,
        "Synthetic data: every picture was drawn by a program from random numbers. There is no"
            + " photograph and no patient behind it, and it has no medical meaning.");
  }

  private static RunData pneumonia(TrainConfig config) {
    Path file = config.data().file();
    PneumoniaMnist train = PneumoniaMnist.read(file, Split.TRAIN);
    Dataset talks = config.data().varied() ? train.questions() : train.evaluation();
    Dataset validation = PneumoniaMnist.read(file, Split.VAL).evaluation();
    Dataset test = test(config);
    return new RunData(
        config.data().captions() == TrainConfig.Captions.SHORT
            ? train.shortCaptions()
            : train.captions(),
        talks,
        subset(train.evaluation(), config.router().samples(), config.seed()),
        talks,
        subset(validation, config.evaluation().validation(), config.seed()),
        test,
        test,
        "PneumoniaMNIST (MedMNIST v2): real chest X-rays of children, 28 x 28 pixels; captions and"
            + " questions are made from the labels. For research, not for diagnosis.");
  }

  private static RunData vqa(TrainConfig config) {
    TrainConfig.Data data = config.data();
    Dataset moe = VqaFile.read(data.moe(), data.images(), VqaFile.Kind.TRAIN);
    Dataset validation =
        data.validation() == null
            ? null
            : VqaFile.read(data.validation(), data.images(), VqaFile.Kind.TEST);
    Dataset test = test(config);
    boolean byModality = config.router().labels() == TrainConfig.Labels.MODALITY;
    return new RunData(
        VqaFile.read(data.align(), data.images(), VqaFile.Kind.ALIGN),
        VqaFile.read(data.instruct(), data.images(), VqaFile.Kind.TRAIN),
        subset(
            pictured(byModality ? withModality(moe) : moe),
            config.router().samples(),
            config.seed()),
        moe,
        validation == null
            ? null
            : subset(validation, config.evaluation().validation(), config.seed()),
        test,
        byModality ? withModality(test) : test,
        "Pictures and questions of " + data.test().getFileName() + ".");
  }

  private static Dataset withModality(Dataset data) {
    return Dataset.of(samples(data).stream().filter(s -> s.modality() != null).toList());
  }

  /** The router is trained on pictures; text alone has nothing for it. */
  private static Dataset pictured(Dataset data) {
    return Dataset.of(
        samples(data).stream().filter(s -> !(s.image() instanceof ImageSource.None)).toList());
  }

  /** So many samples at random; all for 0. */
  private static Dataset subset(Dataset data, int count, long seed) {
    if (count == 0 || count >= data.size()) return data;
    int[] order = new Rng(seed, SUBSET, 0).permutation(data.size());
    return Dataset.of(IntStream.of(order).limit(count).sorted().mapToObj(data::get).toList());
  }

  static List<Sample> samples(Dataset data) {
    List<Sample> all = new ArrayList<>();
    for (int i = 0; i < data.size(); i++) all.add(data.get(i));
    return all;
  }

  /** The group under which a sample is reported. */
  public static String group(Sample sample) {
    Modality modality = sample.modality();
    return modality == null ? "other" : modality.word();
  }
}
