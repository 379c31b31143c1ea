package example;

import dev.theriac.backend.Backends;
import dev.theriac.moe.kit.Qualification;

class QualifyInstallation {
  static void main() {
    Qualification.Report report = Qualification.run(Backends.cpu().backend());
    IO.println(report);
    if (!report.passed()) System.exit(1);
  }
}
