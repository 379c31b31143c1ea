package dev.theriac.cuda;

import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;

class CudaPatchTest extends CudaFixture {
  @Test
  void checksOfTheFamily() {
    assertChecks("patch.", 0);
  }

  @Test
  void shapesAndOffsets() {
    for (long[] shape :
        new long[][] {{1, 1, 2, 2, 2}, {2, 3, 9, 6, 3}, {1, 2, 5, 7, 1}, {3, 1, 32, 16, 16}}) {
      int patch = (int) shape[4];
      long patches = shape[2] / patch * (shape[3] / patch);
      long[] of = {shape[0], patches, shape[1] * patch * patch};
      Strided room = random(shape[0] * shape[1] * shape[2] * shape[3] + 3);
      long[] image = {shape[0], shape[1], shape[2], shape[3]};
      Strided x = room.with(Layout.strided(image, Layout.contiguous(image).strides(), 3));
      Strided e = run(empty(of), o -> scalar.patch().unfold(x, patch, o));
      Strided a = run(empty(of), o -> cuda.patch().unfold(x, patch, o));
      assertSame("unfold", a, e);
      Strided back = run(empty(image), o -> cuda.patch().fold(a, patch, o));
      assertSame("fold", back, copyOf(x));
      Strided y = room.with(Layout.strided(of, Layout.contiguous(of).strides(), 1));
      Strided f = run(empty(image), o -> scalar.patch().fold(y, patch, o));
      Strided b = run(empty(image), o -> cuda.patch().fold(y, patch, o));
      assertSame("fold", b, f);
    }
  }
}
