package dev.theriac.backend.check;

import dev.theriac.tensor.Strided;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.function.UnaryOperator;

/** Calls a kernel with other tensors than those given, those in records too. */
final class Mapped {
  private Mapped() {}

  /**
   * @param family declares the kernel; what implements it need not be public
   * @param tensors gives the tensor to hand on for each
   */
  static Object call(
      Class<?> family,
      Object kernels,
      Method kernel,
      Object[] arguments,
      UnaryOperator<Strided> tensors)
      throws Throwable {
    Object[] mapped = new Object[arguments == null ? 0 : arguments.length];
    for (int i = 0; i < mapped.length; i++) mapped[i] = of(arguments[i], tensors);
    try {
      return family.getMethod(kernel.getName(), kernel.getParameterTypes()).invoke(kernels, mapped);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private static Object of(Object argument, UnaryOperator<Strided> tensors)
      throws ReflectiveOperationException {
    if (argument instanceof Strided tensor) return tensors.apply(tensor);
    return argument instanceof Record record ? of(record, tensors) : argument;
  }

  private static Record of(Record record, UnaryOperator<Strided> tensors)
      throws ReflectiveOperationException {
    RecordComponent[] components = record.getClass().getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = of(components[i].getAccessor().invoke(record), tensors);
    }
    return record.getClass().getDeclaredConstructor(types).newInstance(values);
  }
}
