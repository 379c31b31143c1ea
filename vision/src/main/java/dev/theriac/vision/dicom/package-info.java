/** DICOM files (PS3.3, PS3.5, PS3.10): reading, and how their values become pictures. */
package dev.theriac.vision.dicom;
