package dev.theriac.vision.dicom;

import java.util.Map;
import java.util.TreeMap;

/** How the data set of a file is encoded (PS3.5 annex A, UIDs of PS3.6 table A-1). */
enum TransferSyntax {
  IMPLICIT_LITTLE("1.2.840.10008.1.2", false, false, false, false),
  EXPLICIT_LITTLE("1.2.840.10008.1.2.1", true, false, false, false),
  DEFLATED("1.2.840.10008.1.2.1.99", true, false, true, false),
  EXPLICIT_BIG("1.2.840.10008.1.2.2", true, true, false, false),
  RLE("1.2.840.10008.1.2.5", true, false, false, true);

  private static final String ROOT = "1.2.840.10008.1.2.";
  private static final Map<String, String> OTHERS =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("1.98", "Encapsulated Uncompressed Explicit VR Little Endian"),
              Map.entry("4.50", "JPEG Baseline (Process 1)"),
              Map.entry("4.51", "JPEG Extended (Process 2 & 4)"),
              Map.entry("4.57", "JPEG Lossless, Non-Hierarchical (Process 14)"),
              Map.entry("4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction"),
              Map.entry("4.80", "JPEG-LS Lossless"),
              Map.entry("4.81", "JPEG-LS Lossy (Near-Lossless)"),
              Map.entry("4.90", "JPEG 2000 Lossless"),
              Map.entry("4.91", "JPEG 2000"),
              Map.entry("4.92", "JPEG 2000 Part 2 Multi-component Lossless"),
              Map.entry("4.93", "JPEG 2000 Part 2 Multi-component"),
              Map.entry("4.94", "JPIP Referenced"),
              Map.entry("4.95", "JPIP Referenced Deflate"),
              Map.entry("4.100", "MPEG2 Main Profile / Main Level"),
              Map.entry("4.101", "MPEG2 Main Profile / High Level"),
              Map.entry("4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
              Map.entry("4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
              Map.entry("4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
              Map.entry("4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
              Map.entry("4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
              Map.entry("4.107", "HEVC/H.265 Main Profile / Level 5.1"),
              Map.entry("4.108", "HEVC/H.265 Main 10 Profile / Level 5.1"),
              Map.entry("4.110", "JPEG XL Lossless"),
              Map.entry("4.111", "JPEG XL JPEG Recompression"),
              Map.entry("4.112", "JPEG XL"),
              Map.entry("4.201", "High-Throughput JPEG 2000 Lossless"),
              Map.entry("4.202", "High-Throughput JPEG 2000 with RPCL Options Lossless"),
              Map.entry("4.203", "High-Throughput JPEG 2000")));

  final String uid;
  final boolean explicit;
  final boolean bigEndian;
  final boolean deflated;
  final boolean encapsulated;

  TransferSyntax(
      String uid, boolean explicit, boolean bigEndian, boolean deflated, boolean encapsulated) {
    this.uid = uid;
    this.explicit = explicit;
    this.bigEndian = bigEndian;
    this.deflated = deflated;
    this.encapsulated = encapsulated;
  }

  /** The one with this UID, or null. */
  static TransferSyntax of(String uid) {
    for (TransferSyntax s : values()) {
      if (s.uid.equals(uid)) return s;
    }
    return null;
  }

  /** The published name of one that is not read. */
  static String name(String uid) {
    String known = uid.startsWith(ROOT) ? OTHERS.get(uid.substring(ROOT.length())) : null;
    return known == null ? "of no known name" : known;
  }
}
