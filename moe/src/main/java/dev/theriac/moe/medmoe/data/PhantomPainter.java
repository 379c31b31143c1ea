package dev.theriac.moe.medmoe.data;

import static dev.theriac.moe.medmoe.data.PhantomCanvas.disc;
import static dev.theriac.moe.medmoe.data.PhantomCanvas.ellipse;
import static dev.theriac.moe.medmoe.data.PhantomCanvas.stroke;

import dev.theriac.moe.medmoe.data.PhantomCanvas.Colour;
import dev.theriac.moe.medmoe.data.PhantomCanvas.Distance;
import dev.theriac.moe.medmoe.data.PhantomCanvas.Shape;
import dev.theriac.vision.image.Image;

/** Draws one phantom: the anatomy of its modality, then the finding. Not thread-safe. */
final class PhantomPainter {
  private final int size;
  private final int mark;
  private final PhantomRandom random;

  PhantomPainter(int size, int mark, PhantomRandom random) {
    this.size = size;
    this.mark = mark;
    this.random = random;
  }

  Image paint(Modality modality, Finding finding, Side side, int count) {
    // -1 on the left of the picture, 1 on the right.
    int sign = side == Side.LEFT ? -1 : 1;
    return switch (modality) {
      case X_RAY -> xRay(finding, sign);
      case CT -> ct(finding, sign);
      case MRI -> mri(finding, sign);
      case PATHOLOGY -> pathology(finding, sign, count);
    };
  }

  private static Colour grey(double value) {
    return Colour.grey(value);
  }

  private double vary(double centre, double spread) {
    return random.uniform(centre - spread, centre + spread);
  }

  private Image xRay(Finding finding, int sign) {
    PhantomCanvas canvas = new PhantomCanvas(size, grey(0.08), random);
    canvas.fill(ellipse(0, 0.25, vary(0.95, 0.04), 1.15), grey(vary(0.5, 0.05)), 1, 0.15);
    double lungY = vary(0.02, 0.04);
    double radiusX = vary(0.33, 0.03);
    double radiusY = vary(0.68, 0.05);
    double air = vary(0.17, 0.04);
    for (int half = -1; half <= 1; half += 2) {
      Shape lung = ellipse(half * 0.46, lungY, radiusX, radiusY);
      canvas.fill(lung, grey(air), 1, 0.1);
      for (int rib = 0; rib < 5; rib++) {
        double y = lungY - 0.5 + rib * 0.25;
        Shape bone = stroke(half * 0.14, y - 0.06, half * 0.84, y + 0.1, 0.05);
        canvas.fill(bone, grey(0.62), vary(0.4, 0.08), 0.06);
      }
    }
    canvas.fill(stroke(0, -1, 0, 1, 0.2), grey(0.72), 0.8, 0.12);
    canvas.fill(ellipse(vary(0.12, 0.03), 0.36, vary(0.27, 0.03), 0.3), grey(0.74), 0.95, 0.12);
    if (finding == Finding.NODULE) {
      double x = sign * vary(0.5, 0.08);
      double y = vary(-0.12, 0.3);
      canvas.fill(disc(x, y, vary(0.2, 0.025)), grey(vary(0.92, 0.07)), 1, 0.1);
    } else if (finding == Finding.EFFUSION) {
      double level = vary(0.22, 0.1);
      Shape lung = ellipse(sign * 0.47, lungY, radiusX + 0.06, radiusY + 0.1);
      // The meniscus: the fluid climbs towards the outer wall.
      Distance fluid = (x, y) -> level - 0.5 * Math.max(0, sign * x - 0.5) - y;
      canvas.fill(lung.and(fluid), grey(vary(0.8, 0.06)), 0.97, 0.08);
    }
    return develop(canvas, false);
  }

  private Image ct(Finding finding, int sign) {
    PhantomCanvas canvas = new PhantomCanvas(size, grey(0.02), random);
    double radiusX = vary(0.9, 0.04);
    double radiusY = vary(0.7, 0.04);
    canvas.fill(ellipse(0, 0, radiusX, radiusY), grey(0.3));
    canvas.fill(ellipse(0, 0, radiusX, radiusY).outline(0.05), grey(0.55));
    canvas.fill(ellipse(0, 0, radiusX - 0.12, radiusY - 0.12), grey(vary(0.42, 0.03)));
    canvas.fill(ellipse(-0.38, -0.14, vary(0.36, 0.03), vary(0.34, 0.03)), grey(0.54));
    canvas.fill(ellipse(0.48, -0.1, vary(0.2, 0.03), vary(0.3, 0.03)), grey(0.52));
    canvas.fill(ellipse(vary(0.1, 0.05), vary(-0.32, 0.04), 0.12, 0.1), grey(0.1));
    for (int half = -1; half <= 1; half += 2) {
      canvas.fill(ellipse(half * 0.4, 0.32, 0.15, 0.19), grey(vary(0.62, 0.03)));
    }
    canvas.fill(disc(0.04, 0.16, 0.08), grey(0.66));
    canvas.fill(ellipse(0, 0.4, 0.15, 0.13), grey(0.9));
    canvas.fill(stroke(0, 0.5, 0, 0.62, 0.07), grey(0.9));
    canvas.fill(disc(0, 0.49, 0.05), grey(0.3));
    if (finding == Finding.RING_LESION) {
      double x = sign * vary(0.45, 0.08);
      double y = vary(-0.12, 0.13);
      double radius = vary(0.26, 0.03);
      canvas.fill(disc(x, y, radius), grey(vary(0.08, 0.04)));
      canvas.fill(disc(x, y, radius).outline(0.12), grey(vary(0.92, 0.07)));
    } else if (finding == Finding.STONE) {
      double x = sign * vary(0.4, 0.05);
      canvas.fill(disc(x, vary(0.32, 0.06), vary(0.17, 0.02)), grey(1.15));
    }
    return develop(canvas, false);
  }

  private Image mri(Finding finding, int sign) {
    PhantomCanvas canvas = new PhantomCanvas(size, grey(0.03), random);
    double radiusX = vary(0.72, 0.04);
    double radiusY = vary(0.88, 0.03);
    canvas.fill(ellipse(0, 0, radiusX, radiusY).outline(0.07), grey(vary(0.75, 0.08)));
    double brainX = radiusX - 0.12;
    double brainY = radiusY - 0.12;
    canvas.fill(ellipse(0, 0, brainX, brainY), grey(vary(0.36, 0.03)));
    double phase = random.uniform(0, 6.28);
    // White matter with a folded border.
    Shape core = ellipse(0, 0, brainX - 0.14, brainY - 0.14);
    Distance folds =
        (x, y) -> 0.05 * StrictMath.sin(11 * x + phase) * StrictMath.sin(9 * y + 2 * phase);
    Shape white = core.warped(0.05, folds);
    canvas.fill(white, grey(vary(0.62, 0.04)));
    canvas.fill(stroke(0, -brainY, 0, brainY, 0.03), grey(0.12), 0.8, 0);
    boolean large = finding == Finding.LARGE_VENTRICLES;
    double wide = large ? vary(0.2, 0.02) : vary(0.085, 0.012);
    double high = large ? vary(0.4, 0.03) : vary(0.24, 0.03);
    for (int half = -1; half <= 1; half += 2) {
      canvas.fill(ellipse(half * (wide + 0.03), -0.02, wide, high), grey(0.06));
    }
    if (finding == Finding.BRIGHT_LESION) {
      double x = sign * vary(0.36, 0.05);
      double y = vary(0, 0.42);
      Shape patch = ellipse(x, y, vary(0.21, 0.03), vary(0.21, 0.03));
      canvas.fill(patch, grey(vary(1.0, 0.06)), 1, 0.12);
    }
    return develop(canvas, false);
  }

  private Image pathology(Finding finding, int sign, int count) {
    Colour eosin = new Colour(vary(0.92, 0.03), vary(0.68, 0.05), vary(0.8, 0.03));
    PhantomCanvas canvas = new PhantomCanvas(size, eosin, random);
    for (int fibre = 0; fibre < 7; fibre++) {
      double y = vary(0, 1.1);
      Shape line = stroke(-1.2, y, 1.2, y + vary(0, 0.6), vary(0.08, 0.03));
      canvas.fill(line, new Colour(0.85, 0.52, 0.7), vary(0.4, 0.15), 0.06);
    }
    int cells = 12 + random.below(6);
    for (int cell = 0; cell < cells; cell++) {
      nucleus(canvas, vary(0, 1), vary(0, 1));
    }
    if (finding == Finding.GLAND) {
      gland(canvas, sign * vary(0.42, 0.1), vary(0, 0.4));
    } else if (finding == Finding.MITOSIS) {
      // One slot of a third of the field each, so that several never overlap.
      int first = random.below(3);
      for (int i = 0; i < count; i++) {
        double x = -0.6 + 0.6 * ((first + i) % 3) + vary(0, 0.12);
        mitosis(canvas, x, vary(0, 0.6));
      }
    }
    return develop(canvas, true);
  }

  private void nucleus(PhantomCanvas canvas, double x, double y) {
    Colour blue = new Colour(vary(0.47, 0.05), vary(0.3, 0.05), vary(0.62, 0.05));
    canvas.fill(ellipse(x, y, vary(0.09, 0.02), vary(0.08, 0.02)), blue, 0.9, 0.05);
  }

  private void gland(PhantomCanvas canvas, double x, double y) {
    double radius = vary(0.36, 0.03);
    canvas.fill(disc(x, y, radius + 0.09), new Colour(0.8, 0.5, 0.72), 0.9, 0.06);
    int nuclei = 9;
    double turn = random.uniform(0, 0.7);
    for (int i = 0; i < nuclei; i++) {
      double angle = turn + i * (2 * Math.PI / nuclei);
      double nx = x + radius * StrictMath.cos(angle);
      double ny = y + radius * StrictMath.sin(angle);
      canvas.fill(disc(nx, ny, 0.09), new Colour(0.38, 0.2, 0.56), 0.95, 0.04);
    }
    canvas.fill(disc(x, y, radius - 0.1), new Colour(0.98, 0.96, 0.97));
  }

  private void mitosis(PhantomCanvas canvas, double x, double y) {
    canvas.fill(disc(x, y, 0.29), new Colour(0.97, 0.87, 0.92), 0.95, 0.06);
    double angle = random.uniform(0, 3.14);
    double dx = 0.15 * StrictMath.cos(angle);
    double dy = 0.15 * StrictMath.sin(angle);
    double gap = vary(0.1, 0.01);
    Colour dark = new Colour(0.1, 0.03, 0.22);
    // Two plates of chromosomes that move apart.
    for (int plate = -1; plate <= 1; plate += 2) {
      double ox = -plate * gap * dy / 0.15;
      double oy = plate * gap * dx / 0.15;
      canvas.fill(stroke(x + ox - dx, y + oy - dy, x + ox + dx, y + oy + dy, 0.13), dark, 1, 0);
    }
  }

  private Image develop(PhantomCanvas canvas, boolean colour) {
    canvas.blotches(random, 4, 0.04);
    return canvas.develop(random, vary(0.95, 0.1), 0.035, colour, mark);
  }
}
