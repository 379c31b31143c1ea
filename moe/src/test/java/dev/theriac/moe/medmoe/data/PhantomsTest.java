package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.vision.image.Image;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

class PhantomsTest {

  @Test
  void theBytesAreTheSameOnEveryMachine() throws NoSuchAlgorithmException {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (Phantom phantom : Phantoms.train(42, 40)) {
      digest.update(phantom.image().bytes());
      digest.update(phantom.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
    assertThat(HexFormat.of().formatHex(digest.digest()))
        .isEqualTo("0854e07a93522abdfb4b4c6221d1cc12fd54404ee8266b61c70e8311c3ef43ff");
  }

  @Test
  void aLongerSetBeginsWithTheShorterOneAndSeedsDiffer() {
    List<Phantom> longer = Phantoms.train(7, 40);
    assertThat(longer.subList(0, 13)).isEqualTo(Phantoms.train(7, 13));
    assertThat(Phantoms.train(8, 40)).doesNotContainAnyElementsOf(longer);
    assertThat(Phantoms.test(7, 0)).isEmpty();
  }

  @Test
  void trainingAndTestSetsShareNoPictureWhateverTheirSeeds() {
    Set<Image> train = images(Phantoms.train(3, 600));
    assertThat(train).hasSize(600);
    assertThat(images(Phantoms.test(3, 200))).hasSize(200).doesNotContainAnyElementsOf(train);
    assertThat(images(Phantoms.test(4, 200))).doesNotContainAnyElementsOf(train);
    assertThat(train).allMatch(image -> lastBit(image) == 0);
    assertThat(images(Phantoms.test(3, 50))).allMatch(image -> lastBit(image) == 1);
  }

  @Test
  void yesAndNoAreBalancedForEveryClosedQuestion() {
    Map<String, int[]> counts = new HashMap<>();
    for (int i = 0; i < 60_000; i++) {
      // As Phantoms does, but without the picture.
      PhantomRandom random = new PhantomRandom(5, 0, i);
      Modality modality = Modality.values()[i % 4];
      Finding finding = random.pick(PhantomText.findingsOf(modality));
      Side side = !finding.sided() ? Side.NONE : random.coin() ? Side.LEFT : Side.RIGHT;
      int present = finding == Finding.NONE ? 0 : 1;
      for (Question question : PhantomText.questions(modality, finding, side, present, random)) {
        if (question.type() == AnswerType.CLOSED) {
          assertThat(question.answer()).isIn("yes", "no");
          int[] count = counts.computeIfAbsent(question.text(), k -> new int[2]);
          count[0] += question.answer().equals("yes") ? 1 : 0;
          count[1]++;
        }
      }
    }
    assertThat(counts).hasSizeGreaterThan(20);
    counts.forEach((text, count) ->
        assertThat((double) count[0] / count[1])
            .as("%s: %d of %d are yes", text, count[0], count[1])
            .isCloseTo(0.5, within(0.05)));
  }

  @Test
  void modalitiesFindingsAndSidesAreEven() {
    List<Phantom> phantoms = Phantoms.test(11, 2400, 16);
    Map<Modality, Long> modalities =
        phantoms.stream().collect(Collectors.groupingBy(Phantom::modality, Collectors.counting()));
    assertThat(modalities).hasSize(4).allSatisfy((m, count) -> assertThat(count).isEqualTo(600));
    for (Modality modality : Modality.values()) {
      Map<Finding, Long> findings =
          phantoms.stream()
              .filter(p -> p.modality() == modality)
              .collect(Collectors.groupingBy(Phantom::finding, Collectors.counting()));
      assertThat(findings).hasSize(3).allSatisfy((f, n) -> assertThat(n).isBetween(150L, 250L));
    }
    assertThat(phantoms.stream().filter(p -> p.side() == Side.LEFT).count()).isBetween(500L, 750L);
  }

  @Test
  void answersAgreeWithWhatWasDrawn() {
    for (Phantom phantom : Phantoms.train(9, 600, 16)) {
      assertThat(phantom.side() != Side.NONE).isEqualTo(phantom.finding().sided());
      assertThat(phantom.count() == 0).isEqualTo(phantom.finding() == Finding.NONE);
      assertThat(phantom.caption()).endsWith(".").contains(phantom.modality().word());
      for (Question question : phantom.questions()) {
        String expected =
            switch (question.text()) {
              case "What is the finding?", "What does the image show?" -> phantom.finding().word();
              case "Which imaging modality is this?", "What kind of image is this?" ->
                  phantom.modality().word();
              case "Where is the finding?" -> phantom.finding().location(phantom.side());
              case "How many mitoses are there?" ->
                  List.of("one", "two", "three").get(phantom.count() - 1);
              case "Is the finding on the left?" -> yesNo(phantom.side() == Side.LEFT);
              case "Is the finding on the right?" -> yesNo(phantom.side() == Side.RIGHT);
              case "Does the image look normal?", "Is the image free of findings?" ->
                  yesNo(phantom.finding() == Finding.NONE);
              default -> {
                boolean names =
                    question.text().contains(" " + phantom.finding().phrase() + "?")
                        || question.text().contains(" " + phantom.modality().word());
                yield yesNo(names);
              }
            };
        assertThat(question.answer()).as(question.text()).isEqualTo(expected);
      }
    }
  }

  @Test
  void effusionsLieOnTheirSide() {
    // The base on their side is brighter.
    for (Phantom phantom : Phantoms.train(2, 400)) {
      if (phantom.finding() == Finding.EFFUSION) {
        double left = mean(phantom.image(), 4, 20, 11, 26);
        double right = mean(phantom.image(), 22, 20, 29, 26);
        assertThat(left > right).isEqualTo(phantom.side() == Side.LEFT);
      }
    }
  }

  @Test
  void onlyPathologyHasColour() {
    for (Phantom phantom : Phantoms.train(1, 40)) {
      Image image = phantom.image();
      int coloured = 0;
      for (int y = 0; y < image.height(); y++) {
        for (int x = 0; x < image.width(); x++) {
          if (Math.abs(image.sample(x, y, 0) - image.sample(x, y, 2)) > 1) {
            coloured++;
          }
        }
      }
      assertThat(coloured > 0).isEqualTo(phantom.modality() == Modality.PATHOLOGY);
    }
  }

  @Test
  void badArgumentsSayWhatIsAllowed() {
    assertThatThrownBy(() -> Phantoms.train(1, -1)).hasMessageContaining("n is -1");
    assertThatThrownBy(() -> Phantoms.test(1, 1, 8)).hasMessageContaining("16 to 1024");
    assertThatThrownBy(() -> Finding.MITOSIS.location(Side.LEFT)).hasMessageContaining("MITOSIS");
  }

  /** Writes target/phantoms.png, a row for every finding and side, to be looked at. */
  @Test
  void writesAContactSheet() throws IOException {
    Map<String, List<Phantom>> rows = new TreeMap<>();
    for (Phantom p : Phantoms.train(1, 1200)) {
      String key = "%d-%d-%s".formatted(p.modality().ordinal(), p.finding().ordinal(), p.side());
      rows.computeIfAbsent(key, k -> new ArrayList<>()).add(p);
    }
    assertThat(rows).hasSize(18);
    int cell = 3 * Phantoms.DEFAULT_SIZE + 4;
    BufferedImage sheet =
        new BufferedImage(10 * cell, rows.size() * cell, BufferedImage.TYPE_INT_RGB);
    int row = 0;
    for (List<Phantom> phantoms : rows.values()) {
      for (int column = 0; column < 10; column++) {
        draw(sheet, phantoms.get(column).image(), column * cell, row * cell);
      }
      row++;
    }
    Path file = Path.of("target", "phantoms.png");
    Files.createDirectories(file.getParent());
    assertThat(ImageIO.write(sheet, "png", file.toFile())).isTrue();
  }

  private static void draw(BufferedImage sheet, Image image, int left, int top) {
    for (int y = 0; y < 3 * image.height(); y++) {
      for (int x = 0; x < 3 * image.width(); x++) {
        int rgb = 0;
        for (int c = 0; c < 3; c++) {
          rgb = rgb << 8 | image.sample(x / 3, y / 3, c);
        }
        sheet.setRGB(left + x, top + y, rgb);
      }
    }
  }

  private static String yesNo(boolean yes) {
    return yes ? "yes" : "no";
  }

  private static Set<Image> images(List<Phantom> phantoms) {
    return phantoms.stream().map(Phantom::image).collect(Collectors.toCollection(HashSet::new));
  }

  private static int lastBit(Image image) {
    return image.sample(image.width() - 1, image.height() - 1, 2) & 1;
  }

  private static double mean(Image image, int x0, int y0, int x1, int y1) {
    return Stream.iterate(y0, y -> y < y1, y -> y + 1)
        .flatMapToInt(y -> java.util.stream.IntStream.range(x0, x1).map(x -> image.sample(x, y, 0)))
        .average()
        .orElseThrow();
  }
}
