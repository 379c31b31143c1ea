package dev.theriac.vision.dicom;

import java.util.Set;

/** The data elements that matter for pictures (PS3.6, chapter 6). */
final class Tags {
  static final int MODALITY = 0x00080060;
  static final int SAMPLES = 0x00280002;
  static final int PHOTOMETRIC = 0x00280004;
  static final int PLANAR = 0x00280006;
  static final int FRAMES = 0x00280008;
  static final int ROWS = 0x00280010;
  static final int COLUMNS = 0x00280011;
  static final int ALLOCATED = 0x00280100;
  static final int STORED = 0x00280101;
  static final int HIGH_BIT = 0x00280102;
  static final int SIGNED = 0x00280103;
  static final int PADDING = 0x00280120;
  static final int PADDING_LIMIT = 0x00280121;
  static final int CENTER = 0x00281050;
  static final int WIDTH = 0x00281051;
  static final int INTERCEPT = 0x00281052;
  static final int SLOPE = 0x00281053;
  static final int FUNCTION = 0x00281056;
  static final int MODALITY_LUT = 0x00283000;
  static final int LUT_DESCRIPTOR = 0x00283002;
  static final int LUT_DATA = 0x00283006;
  static final int VOI_LUT = 0x00283010;
  static final int FRAME_VOI = 0x00289132;
  static final int FRAME_VALUES = 0x00289145;
  static final int SHARED_GROUPS = 0x52009229;
  static final int FRAME_GROUPS = 0x52009230;
  static final int PALETTE_DESCRIPTOR = 0x00281101;
  static final int PALETTE_DATA = 0x00281201;
  static final int FLOAT_PIXELS = 0x7FE00008;
  static final int DOUBLE_PIXELS = 0x7FE00009;

  static final Set<Integer> SEQUENCES =
      Set.of(MODALITY_LUT, VOI_LUT, FRAME_VOI, FRAME_VALUES, SHARED_GROUPS, FRAME_GROUPS);

  private Tags() {}
}
