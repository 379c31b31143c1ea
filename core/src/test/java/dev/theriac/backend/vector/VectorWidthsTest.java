package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernels with narrower vectors than this machine prefers, each width in a JVM of its own. */
class VectorWidthsTest {
  @ParameterizedTest
  @ValueSource(ints = {128, 256})
  void narrowVectorsAgreeWithScalarToo(int bits) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-D" + Lanes.BITS_PROPERTY + "=" + bits,
                "-cp",
                System.getProperty("java.class.path"),
                VectorWidthsTest.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    assertThat(output).contains("vector-" + bits + " agrees");
  }

  /** Runs in the other JVM; a failed assertion ends it with another status than 0. */
  public static void main(String[] args) throws InterruptedException {
    VectorElementwiseTest elementwise = new VectorElementwiseTest();
    for (UnaryKind kind : UnaryKind.values()) {
      elementwise.unaryAgreesWithScalar(kind);
      elementwise.gradientAgreesWithScalar(kind);
      elementwise.positionDoesNotMatter(kind);
      elementwise.unarySpecialValues(kind);
      elementwise.neighboursDoNotMatter(kind);
    }
    for (BinaryKind kind : BinaryKind.values()) elementwise.binaryAgreesWithScalar(kind);
    elementwise.swigluGradientAgreesWithScalar();
    elementwise.dropoutKeepsTheSameElementsAsScalar();
    elementwise.sineOfHardArguments();
    VectorCopiesTest copies = new VectorCopiesTest();
    for (DType type : DType.values()) copies.convertsLikeScalar(type);
    copies.convertsEveryHalf();
    copies.roundsLikeScalar();
    copies.transposesLikeScalar(17, 9);
    copies.transposesLikeScalar(100, 70);
    for (CompareKind kind : CompareKind.values()) copies.comparesLikeScalar(kind);
    copies.choosesLikeScalar();
    VectorRowsTest rows = new VectorRowsTest();
    for (int columns : new int[] {1, 4, 17, 129}) {
      rows.softmaxAgreesWithScalar(3, columns);
      rows.crossEntropyAgreesWithScalar(3, columns);
      rows.normsAgreeWithScalar(3, columns);
    }
    for (int columns : new int[] {64, 2048}) {
      rows.crossEntropyAgreesWithScalar(9, columns);
      rows.normsAgreeWithScalar(9, columns);
      rows.addingAndNormalisingAtOnce(9, columns);
      rows.gradientsAddedToOthers(9, columns);
      rows.specialRowsAmongOthers(9, columns);
      rows.normOfRowsWithOutliers(columns);
    }
    rows.softmaxAgreesWithScalar(9, 64);
    rows.crossEntropyAgreesWithScalar(3, 10007);
    VectorReduceOptimTest sums = new VectorReduceOptimTest();
    sums.reduceAgreesWithScalar(ReduceKind.SUM);
    sums.reduceAgreesWithScalar(ReduceKind.MAX);
    sums.extremesOfSpecialValues();
    sums.argmaxAgreesWithScalar();
    sums.adamWAgreesWithScalar();
    sums.sgdAgreesWithScalar();
    sums.zerosAreFound();
    VectorAttentionTest attention = new VectorAttentionTest();
    attention.agreesWithScalar(2, 3, 3, 2, 1, 8);
    attention.agreesWithScalar(1, 50, 50, 2, 2, 20);
    attention.agreesWithScalar(2, 1, 40, 4, 2, 32);
    attention.agreesWithScalar(2, 1, 6000, 4, 2, 16);
    attention.agreesWithScalar(1, 60, 1100, 2, 1, 12);
    attention.hiddenKeysAreNotRead();
    attention.rowsDoNotDependOnTheirNeighbours();
    VectorMovesTest moves = new VectorMovesTest();
    moves.ropeAgreesWithScalar(2, 17, 3, 20, 12, 0);
    moves.ropeAgreesWithScalar(1, 3, 2, 80, 32, 5);
    VectorQuantisedTest quantised = new VectorQuantisedTest();
    VectorQuantisedTest.awaitCompiledKernels();
    for (QuantisedFormat format : QuantisedFormat.values()) {
      quantised.hasTheBitsOfTheProductWithTheDequantisedMatrix(format);
    }
    FewRowsTest few = new FewRowsTest();
    few.useKernelsAtOnce();
    for (int count = 1; count <= FewRows.MOST; count++) few.oddShapes(count);
    few.startsFromBiasOrFromWhatIsThere();
    few.waitForKernels();
    System.out.println(new VectorBackend().name() + " agrees");
  }
}
