package dev.theriac.moe.medmoe.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WordNormalizerTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "x-ray | x ray",
        "x- ray | x ray",
        "'x-ray - ' | xray",
        "1,5 mm/min | 15 mmmin",
        "5-6 cm, 3,4 | 56 cm 34",
        "(left) lung | left lung",
        "a.b | ab",
        "a.5 | a.5",
        "The  LEFT lung | left lung",
        "one of ten, none | 1 of 10 0",
        "it isnt | it isn't",
        "somebody'd | somebodyd",
        "im fine | im fine",
        "left,right | left right",
        "a an the | ''",
        "'' | ''",
      })
  void bringsWordsIntoOneForm(String text, String expected) {
    assertThat(WordNormalizer.normalize(text)).isEqualTo(expected);
  }

  @Test
  void removesOnlyThirtyTwoPeriods() {
    assertThat(WordNormalizer.normalize("b.".repeat(40)))
        .isEqualTo("b".repeat(32) + "b.".repeat(8));
  }

  @Test
  void knowsEveryKindOfBlank() {
    assertThat(WordNormalizer.normalize(" left\t\n lung\r\u00a0\u3000x ")).isEqualTo("left lung x");
  }
}
