package dev.theriac.cli;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The arrows between modules and packages, over the class files of every module. */
class ArchitectureTest {
  /**
   * Tensors, operations and back ends need one another: a tensor's methods run operations, which
   * call kernels.
   */
  private static final String[] FOUNDATION = {
    "dev.theriac.tensor..", "dev.theriac.op..", "dev.theriac.backend.."
  };

  private static final String[] UPPER_CORE = {
    "dev.theriac.nn..", "dev.theriac.optim..", "dev.theriac.io..", "dev.theriac.train.."
  };

  private static final String[] CORE = {
    "dev.theriac.tensor..",
    "dev.theriac.op..",
    "dev.theriac.backend..",
    "dev.theriac.nn..",
    "dev.theriac.optim..",
    "dev.theriac.io..",
    "dev.theriac.train.."
  };

  private static final String COMMAND_LINE = "dev.theriac.cli..";

  /** Programs rather than a library: their processes answer on standard output. */
  private static final String BENCHMARKS = "dev.theriac.bench..";

  private static JavaClasses theriac;

  @BeforeAll
  static void read() {
    theriac =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.theriac");
  }

  @Test
  void theRulesSeeEveryModule() {
    assertThat(theriac)
        .extracting(c -> c.getPackageName())
        .contains("dev.theriac.backend", "dev.theriac.cli", "dev.theriac.moe.kit")
        .anyMatch(p -> p.startsWith("dev.theriac.vision"))
        .anyMatch(p -> p.startsWith("dev.theriac.llm"))
        .anyMatch(p -> p.startsWith("dev.theriac.moe"));
  }

  @Test
  void coreDependsOnTheJdkAlone() {
    classes()
        .that()
        .resideInAnyPackage(CORE)
        .should()
        .onlyDependOnClassesThat(
            resideInAnyPackage(CORE)
                .or(resideInAnyPackage("java..", "jdk..", "com.sun.management..")))
        .check(theriac);
  }

  @Test
  void tensorsOperationsAndBackEndsKnowNothingAboveThem() {
    noClasses()
        .that()
        .resideInAnyPackage(FOUNDATION)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(UPPER_CORE)
        .check(theriac);
  }

  @Test
  void layersOptimisersFilesAndTrainingFormNoCycle() {
    slices()
        .matching("dev.theriac.(nn|optim|io|train)..")
        .should()
        .beFreeOfCycles()
        .allowEmptyShould(true)
        .check(theriac);
  }

  @Test
  void kernelsKnowNothingOfAutograd() {
    noClasses()
        .that()
        .resideInAnyPackage("dev.theriac.backend..", "dev.theriac.cuda..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.theriac.op..")
        .check(theriac);
  }

  @Test
  void visionDoesNotDependOnTheOtherModules() {
    noClasses()
        .that()
        .resideInAPackage("dev.theriac.vision..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.theriac.llm..", "dev.theriac.moe..", "dev.theriac.cuda..", COMMAND_LINE)
        .check(theriac);
  }

  @Test
  void languageModelsDoNotDependOnTheOtherModules() {
    noClasses()
        .that()
        .resideInAPackage("dev.theriac.llm..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.theriac.vision..", "dev.theriac.moe..", "dev.theriac.cuda..", COMMAND_LINE)
        .check(theriac);
  }

  /** But for the benchmark of its kernels, which takes their times with the device's events. */
  @Test
  void theCudaBackEndIsReachedThroughServiceLoaderAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.theriac.cuda..", "dev.theriac.bench.gpu..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.theriac.cuda..")
        .check(theriac);
  }

  @Test
  void theMoeEngineKnowsNothingOfMedMoe() {
    noClasses()
        .that(
            resideInAnyPackage("dev.theriac.moe..")
                .and(resideOutsideOfPackages("dev.theriac.moe.medmoe..")))
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.theriac.moe.medmoe..")
        .allowEmptyShould(true)
        .check(theriac);
  }

  /** Its artifact brings JUnit along, which nobody else's run time should. */
  @Test
  void nothingDependsOnTheCompatibilityKit() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.theriac.moe.kit..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.theriac.moe.kit..", "org.junit..", "org.assertj..")
        .check(theriac);
  }

  @Test
  void theCompatibilityKitNeedsTheEngineAlone() {
    classes()
        .that()
        .resideInAPackage("dev.theriac.moe.kit..")
        .should()
        .onlyDependOnClassesThat(
            resideInAnyPackage(CORE)
                .or(
                    resideInAnyPackage(
                        "dev.theriac.llm", "dev.theriac.moe", "dev.theriac.moe.kit.."))
                .or(
                    resideInAnyPackage(
                        "java..", "org.junit..", "org.assertj..", "org.opentest4j..")))
        .check(theriac);
  }

  @Test
  void nothingDependsOnTheCommandLine() {
    noClasses()
        .that()
        .resideOutsideOfPackage(COMMAND_LINE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(COMMAND_LINE, "picocli..", "me.tongfei..", "org.knowm..")
        .check(theriac);
  }

  /** Only the commands that run them, measure the machine as they do, or say what bounds them. */
  @Test
  void nothingElseDependsOnTheBenchmarks() {
    noClasses()
        .that()
        .resideOutsideOfPackages(BENCHMARKS)
        .and()
        .doNotHaveSimpleName("BenchCommand")
        .and()
        .doNotHaveSimpleName("DoctorCommand")
        .and()
        .doNotHaveSimpleName("RooflineCommand")
        .should()
        .dependOnClassesThat()
        .resideInAPackage(BENCHMARKS)
        .check(theriac);
  }

  /** JMH and DJL's PyTorch are not on the class path of the command line. */
  @Test
  void theFrameOfTheBenchmarksNeedsNeitherJmhNorLibtorch() {
    noClasses()
        .that()
        .resideInAPackage("dev.theriac.bench.frame..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.openjdk.jmh..", "ai.djl..")
        .check(theriac);
  }

  @Test
  void onlyTheVectorBackEndNamesTheVectorApi() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.theriac.backend.vector..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("jdk.incubator..")
        .check(theriac);
  }

  @Test
  void theVectorBackEndIsLoadedByName() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.theriac.backend.vector..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.theriac.backend.vector..")
        .check(theriac);
  }

  @Test
  void librariesWriteNothingToTheConsole() {
    noClasses()
        .that()
        .resideOutsideOfPackages(COMMAND_LINE, BENCHMARKS)
        .should(ACCESS_STANDARD_STREAMS)
        .orShould()
        .callMethod(System.class, "console")
        .check(theriac);
  }

  @Test
  void librariesNeverEndTheJvm() {
    noClasses()
        .that()
        .resideOutsideOfPackages(COMMAND_LINE, BENCHMARKS)
        .should()
        .callMethod(System.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "halt", int.class)
        .check(theriac);
  }

  @Test
  void librariesLogThroughSystemLogger() {
    noClasses()
        .that()
        .resideOutsideOfPackages(COMMAND_LINE, BENCHMARKS)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.slf4j..", "java.util.logging..", "org.apache.logging..")
        .check(theriac);
  }

  /**
   * Results do not depend on the run: randomness comes from a seed and a stream, threads from the
   * worker pool.
   */
  @Test
  void nothingIsRandomOrParallelOnItsOwn() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("java.util.concurrent.ThreadLocalRandom")
        .orShould()
        .callMethod(Math.class, "random")
        .orShould()
        .callConstructor(java.util.Random.class)
        .orShould()
        .callMethodWhere(target(nameMatching("parallelStream|parallel|supplyAsync|runAsync")))
        .check(theriac);
  }

  /** Without module descriptors nothing else keeps a package in one jar. */
  @Test
  void noPackageIsSplitBetweenModules() {
    var places = new TreeMap<String, TreeSet<String>>();
    for (var type : theriac) {
      String file = "/" + type.getName().replace('.', '/') + ".class";
      String uri = type.getSource().orElseThrow().getUri().toString();
      places
          .computeIfAbsent(type.getPackageName(), _ -> new TreeSet<>())
          .add(uri.substring(0, uri.length() - file.length()));
    }
    assertThat(places)
        .hasSizeGreaterThan(5)
        .allSatisfy((_, modules) -> assertThat(modules).hasSize(1));
  }
}
