package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class RooflineCommandTest {
  private record Ran(int status, String out, String err) {}

  private static Ran theriac(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Ran(status, out.toString(), err.toString());
  }

  @Test
  void printsTheBoundOfOneCard() {
    Ran ran = theriac("roofline", "gemm", "m=1000", "n=1000", "k=1000", "--card", "10,50,100,1000");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out)
        .contains("gemm m=1000 n=1000 k=1000")
        .contains("2.000e+09 FLOP, 1.200e+07 bytes, 166.7 FLOP a byte; products in f32")
        .containsPattern("200\\.00 +12\\.00 +200\\.00 +compute +10\\.0");
  }

  @Test
  void printsAllCardsAndAllOperations() {
    assertThat(theriac("roofline", "norm", "rows=64", "d=2048").out)
        .contains("A100-80", "H200", "memory", "no products");
    assertThat(theriac("roofline").out).contains("attention-backward", "experts rows n k");
  }

  @Test
  void saysWhatIsWrong() {
    Ran ran = theriac("roofline", "gemm", "m=3");
    assertThat(ran.status).isEqualTo(2);
    assertThat(ran.err).contains("gemm wants n=...");
    assertThat(theriac("roofline", "gemm", "m=x").status).isEqualTo(2);
    assertThat(theriac("roofline", "adamw", "n=3", "--card", "none").err).contains("no card");
    assertThat(theriac("roofline", "adamw", "n=3", "--weights", "f8").err).contains("\"f8\"");
  }
}
