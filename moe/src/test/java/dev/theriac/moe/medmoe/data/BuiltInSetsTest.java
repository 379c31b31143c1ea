package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class BuiltInSetsTest {
  private static final PneumoniaMnist FOUR =
      new PneumoniaMnist(
          new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, (byte) 255},
          6,
          1,
          2,
          new byte[] {0, 1, 0, 1, 1, 0});

  @Test
  void asksEveryQuestionOfAPhantom() {
    List<Phantom> phantoms = Phantoms.train(3, 8);
    Dataset questions = PhantomSets.questions(phantoms);
    assertThat(questions.size())
        .isEqualTo(phantoms.stream().mapToInt(p -> p.questions().size()).sum());
    Question first = phantoms.getFirst().questions().getFirst();
    assertThat(questions.get(0))
        .isEqualTo(
            new Sample(
                "phantom-0-0",
                new ImageSource.InMemory(phantoms.getFirst().image()),
                phantoms.getFirst().modality(),
                Conversation.of("<image>\n" + first.text(), first.answer()),
                first.type()));
    Dataset conversations = PhantomSets.conversations(phantoms);
    assertThat(conversations.size()).isEqualTo(8);
    for (int i = 0; i < 8; i++) {
      Sample sample = conversations.get(i);
      assertThat(sample.conversation().turns()).hasSize(2 * phantoms.get(i).questions().size());
      assertThat(sample.conversation().images()).isEqualTo(1);
    }
  }

  @Test
  void asksTheQuestionsOfAConversationInAnyOrder() {
    List<Phantom> phantoms = Phantoms.train(3, 80);
    Dataset conversations = PhantomSets.conversations(phantoms);
    int openFirst = 0;
    for (int i = 0; i < 80; i++) {
      var turns = conversations.get(i).conversation().turns();
      var asked = new TreeSet<String>();
      for (int t = 0; t < turns.size(); t += 2) {
        asked.add(turns.get(t).text().replace("<image>\n", "") + turns.get(t + 1).text());
      }
      var known = new TreeSet<String>();
      phantoms.get(i).questions().forEach(q -> known.add(q.text() + q.answer()));
      assertThat(asked).isEqualTo(known);
      String answer = turns.get(1).text();
      if (!answer.equals("yes") && !answer.equals("no")) openFirst++;
    }
    assertThat(openFirst).isBetween(20, 60);
  }

  @Test
  void captionsInOneForm() {
    List<Phantom> phantoms = Phantoms.train(3, 40);
    Dataset captions = PhantomSets.shortCaptions(phantoms);
    for (int i = 0; i < 40; i++) {
      assertThat(captions.get(i).conversation().answer())
          .startsWith(phantoms.get(i).modality().word() + ": " + phantoms.get(i).finding().word())
          .endsWith(".");
    }
    assertThat(FOUR.shortCaptions().get(2).conversation().answer())
        .isEqualTo(FOUR.shortCaptions().get(0).conversation().answer())
        .isNotEqualTo(FOUR.shortCaptions().get(1).conversation().answer());
  }

  @Test
  void captionsPhantoms() {
    List<Phantom> phantoms = Phantoms.train(3, 5);
    Dataset captions = PhantomSets.captions(phantoms);
    assertThat(captions.size()).isEqualTo(5);
    assertThat(captions.get(4).conversation())
        .isEqualTo(Conversation.of("<image>", phantoms.get(4).caption()));
  }

  @Test
  void fitsTheBuiltInTokenizer() {
    List<Phantom> phantoms = Phantoms.train(11, 200);
    try (HuggingFaceTokenizerFile tokenizer = BuiltInTokenizer.load()) {
      PromptEncoder chat = new PromptEncoder(tokenizer, Template.PHI, 2048);
      PromptEncoder plain = new PromptEncoder(tokenizer, Template.PLAIN, 2048);
      Dataset questions = PhantomSets.questions(phantoms);
      for (int i = 0; i < questions.size(); i++) {
        Example example = chat.training(questions.get(i).conversation());
        // Words of the built-in data are single tokens; that keeps the quickstart quick.
        assertThat(example.length()).as("%s", questions.get(i)).isLessThanOrEqualTo(20);
        assertThat(example.learned()).isBetween(2, 4);
      }
      Dataset captions = PhantomSets.captions(phantoms);
      for (int i = 0; i < captions.size(); i++) {
        Example example = plain.training(captions.get(i).conversation());
        assertThat(example.length()).isLessThanOrEqualTo(18);
        assertThat(example.learned()).isEqualTo(example.length() - 1);
      }
    }
  }

  @Test
  void asksAboutPneumonia() {
    assertThat(FOUR.size()).isEqualTo(6);
    Dataset evaluation = FOUR.evaluation();
    assertThat(evaluation.size()).isEqualTo(6);
    assertThat(evaluation.get(1).conversation())
        .isEqualTo(Conversation.of("<image>\nIs there pneumonia in this chest X-ray?", "yes"));
    assertThat(evaluation.get(2).conversation().answer()).isEqualTo("no");
    assertThat(evaluation.get(2).answerType()).isEqualTo(AnswerType.CLOSED);
    assertThat(evaluation.get(2).modality()).isEqualTo(Modality.X_RAY);
    ImageSource.InMemory last = (ImageSource.InMemory) evaluation.get(5).image();
    assertThat(last.image().width()).isEqualTo(2);
    assertThat(last.image().height()).isEqualTo(1);
    assertThat(last.image().sample(0, 0, 0)).isEqualTo(10);
    assertThat(last.image().sample(1, 0, 0)).isEqualTo(255);
  }

  @Test
  void makesTextThatAgreesWithTheLabels() {
    Dataset questions = FOUR.questions();
    assertThat(questions.size()).isEqualTo(12);
    for (int i = 0; i < 12; i++) {
      boolean sick = FOUR.pneumonia(i / 2);
      Conversation text = questions.get(i).conversation();
      boolean aboutNormal = text.turns().getFirst().text().contains("normal");
      boolean positive = List.of("yes", "pneumonia").contains(text.answer());
      assertThat(positive).as("%s", text).isEqualTo(aboutNormal != sick);
    }
    Dataset captions = FOUR.captions();
    assertThat(captions.get(0).conversation().answer()).isEqualTo("A normal chest X-ray.");
    assertThat(captions.get(1).conversation().answer())
        .isEqualTo("The chest X-ray shows pneumonia.");
    assertThat(captions.get(4).conversation().answer())
        .isEqualTo("A chest X-ray with signs of pneumonia.");
    assertThat(captions.get(5).conversation().answer())
        .isEqualTo("The chest X-ray shows no pneumonia.");
  }

  @Test
  void refusesArraysThatDoNotFit() {
    assertThatThrownBy(() -> new PneumoniaMnist(new byte[11], 6, 1, 2, new byte[6]))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("12 pixels")
        .hasMessageContaining("11");
    assertThatThrownBy(() -> new PneumoniaMnist(new byte[4], 2, 1, 2, new byte[] {0, 2}))
        .hasMessageContaining("image 1 is 2");
  }
}
