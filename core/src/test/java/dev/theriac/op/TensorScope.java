package dev.theriac.op;

import dev.theriac.tensor.Scope;
import java.lang.reflect.Method;
import org.junit.jupiter.api.extension.DynamicTestInvocationContext;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;

/** Runs every test in a scope of its own, so that a test frees what it made. */
public final class TensorScope implements InvocationInterceptor {
  @Override
  public void interceptTestMethod(
      Invocation<Void> body,
      ReflectiveInvocationContext<Method> invocation,
      ExtensionContext context)
      throws Throwable {
    scoped(body);
  }

  @Override
  public void interceptTestTemplateMethod(
      Invocation<Void> body,
      ReflectiveInvocationContext<Method> invocation,
      ExtensionContext context)
      throws Throwable {
    scoped(body);
  }

  @Override
  public void interceptDynamicTest(
      Invocation<Void> body, DynamicTestInvocationContext invocation, ExtensionContext context)
      throws Throwable {
    scoped(body);
  }

  private static void scoped(Invocation<Void> body) throws Throwable {
    try (Scope _ = Scope.open()) {
      body.proceed();
    }
  }
}
