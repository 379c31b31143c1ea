package dev.theriac.moe.kit;

/**
 * All tests of the compatibility kit. A back end's author writes one class, with a constructor
 * without parameters, and runs it as any JUnit test:
 *
 * <pre>{@code
 * class MyBackendTest implements MoeKit {
 *   public List<Backend> backends() {
 *     return List.of(new MyBackend());
 *   }
 * }
 * }</pre>
 *
 * The JVM needs {@code -Dtheriac.memory.poison=true}. Each test has an ID ({@link TestIds}) as the
 * first word of its name. {@link Qualification} runs the same without JUnit's launcher.
 */
public interface MoeKit
    extends RaggedKit, RouterKit, GradientKit, LossKit, CapacityKit, NumericsKit, DeterminismKit {}
