"""Makes the DICOM files of the tests, and expected.txt with what pydicom reads from them.

Needs pydicom 3.0.2 and NumPy; run it in this folder. Pictures are 13 x 9 pixels, so that rows and
columns cannot be mixed up. A line of expected.txt has file, frame, SHA-256 of the values (little-
endian f64, after slope and intercept or the modality's lookup table; - for coloured frames) and of
the 8-bit picture. A picture is what pydicom's windowing gives, from its least to its greatest
possible value as 0 to 255, rounded half up.
"""

import hashlib

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

ROWS, COLUMNS = 9, 13
lines = ["# file frame values picture"]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def dataset(syntax=ExplicitVRLittleEndian, **elements):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.ImplementationClassUID = "1.2.3.5"
    meta.TransferSyntaxUID = syntax
    ds = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    ds.PatientName, ds.PatientID, ds.Modality = "Test^Nobody", "0", "CT"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    # A private sequence of undefined length with another in it, which readers pass over.
    inner, outer = Dataset(), Dataset()
    inner.add_new(0x00091010, "LO", "inside")
    outer.add_new(0x00091001, "SQ", Sequence([inner]))
    ds.add_new(0x00090010, "LO", "THERIAC TEST")
    ds.add_new(0x00091002, "SQ", Sequence([outer, Dataset()]))
    ds[0x00091002].is_undefined_length = True
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def ramp(low, high, dtype, frames=1, samples=1):
    """Every value from low to high in an order that jumps about."""
    count = ROWS * COLUMNS * frames * samples
    order = np.arange(count) * 37 % count
    values = np.round(low + (high - low) * order / (count - 1)).astype(dtype)
    shape = (frames, ROWS, COLUMNS) if samples == 1 else (ROWS, COLUMNS, samples)
    return values.reshape(shape)


def possible(ds):
    """The least and greatest value that pydicom's windowing gives."""
    if ds.get("ModalityLUTSequence"):
        return 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    bits = ds.BitsStored
    low, high = (0, 2**bits - 1) if ds.PixelRepresentation == 0 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    slope, intercept = ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)
    return low * slope + intercept, high * slope + intercept


def eight(share):
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


def grey(ds, stored):
    """Values and picture of one frame; ds has the frame's own elements at its top."""
    values = np.asarray(apply_modality_lut(stored, ds), dtype=np.float64)
    if ds.get("VOILUTSequence"):
        table = apply_voi_lut(values.astype(np.int64), ds)
        share = table / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    elif ds.get("WindowCenter") is not None:
        low, high = possible(ds)
        share = (apply_voi_lut(values, ds).astype(np.float64) - low) / (high - low)
    else:
        counted = values[stored != ds.PixelPaddingValue] if "PixelPaddingValue" in ds else values
        share = (values - counted.min()) / (counted.max() - counted.min())
    if ds.PhotometricInterpretation == "MONOCHROME1":
        share = 1 - share
    return digest(values.astype("<f8")), digest(eight(share))


def save(name, ds, pixels, frames=None, byte_order="<"):
    """Writes a grey file; frames are the data sets that describe each frame, by default ds."""
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(byte_order)).tobytes()
    ds["PixelData"].VR = "OW"
    if len(pixels) > 1:
        ds.NumberOfFrames = len(pixels)
    if byte_order == ">":
        pydicom.dcmwrite(name, ds, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        ds.save_as(name, enforce_file_format=True)
    for i, frame in enumerate(pixels):
        lines.append(" ".join([name, str(i), *grey(frames[i] if frames else ds, frame)]))


CT = dict(PixelRepresentation=1, RescaleSlope=1, RescaleIntercept=-24, WindowCenter=[40, 300], WindowWidth=[401, 1500])
CT_PIXELS = ramp(-2048, 2047, np.int16)


def greys():
    save("ct-implicit.dcm", dataset(ImplicitVRLittleEndian, **CT), CT_PIXELS)
    save("ct-explicit.dcm", dataset(**CT), CT_PIXELS)
    save("ct-deflated.dcm", dataset(DeflatedExplicitVRLittleEndian, **CT), CT_PIXELS)
    save("ct-big-endian.dcm", dataset(ExplicitVRBigEndian, **CT), CT_PIXELS, byte_order=">")
    save("cr-monochrome1.dcm", dataset(PhotometricInterpretation="MONOCHROME1", Modality="CR", WindowCenter=1800.5,
                                       WindowWidth=2001.7), ramp(0, 4095, np.uint16))
    save("sigmoid.dcm", dataset(VOILUTFunction="SIGMOID", WindowCenter=2000, WindowWidth=901), ramp(0, 4095, np.uint16))
    save("linear-exact.dcm", dataset(VOILUTFunction="LINEAR_EXACT", WindowCenter=2000.3, WindowWidth=901.7),
         ramp(0, 4095, np.uint16))
    save("one-wide.dcm", dataset(WindowCenter=2000, WindowWidth=1), ramp(0, 4095, np.uint16))
    save("no-window.dcm", dataset(RescaleSlope=0.37, RescaleIntercept=-11.5, BitsAllocated=8, BitsStored=8, HighBit=7),
         ramp(3, 211, np.uint8))
    padded = ramp(-900, 1900, np.int16)
    padded[0, 0] = -2000
    save("padding.dcm", dataset(PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=-2000), padded)
    save("bits-32.dcm", dataset(BitsAllocated=32, BitsStored=20, HighBit=19, WindowCenter=400000, WindowWidth=700001),
         ramp(0, 2**20 - 1, np.uint32))


def tables():
    modality = Dataset()
    modality.LUTDescriptor, modality.ModalityLUTType = [300, 50, 16], "US"
    modality.add_new(0x00283006, "US", [int(v) for v in (np.arange(300) * 13.6)])
    ds = dataset(ModalityLUTSequence=Sequence([modality]), BitsStored=10, HighBit=9, WindowCenter=1500, WindowWidth=3001)
    save("modality-lut.dcm", ds, ramp(0, 1023, np.uint16))
    for name, syntax in [("voi-lut.dcm", ExplicitVRLittleEndian), ("voi-lut-implicit.dcm", ImplicitVRLittleEndian)]:
        voi = Dataset()
        voi.LUTDescriptor = [256, 100, 10]
        voi.add_new(0x00283006, "US", [int(v) for v in np.arange(256) ** 2 // 64])
        save(name, dataset(syntax, VOILUTSequence=Sequence([voi]), WindowCenter=5, WindowWidth=5), ramp(0, 4095, np.uint16))


def frames():
    """An enhanced file: slope and window of each frame in its functional group, the third's shared."""
    ds, described, groups = dataset(), [], []
    for i, (slope, intercept, centre, width) in enumerate([(1, 0, 1000, 1001), (2.5, -100, 3000, 4001), (1.5, 7, 900, 2001)]):
        values, window, group = Dataset(), Dataset(), Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, intercept, "US"
        window.WindowCenter, window.WindowWidth = centre, width
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = Sequence([values]), Sequence([window])
        if i < 2:
            groups.append(group)
        else:
            groups.append(Dataset())
            ds.SharedFunctionalGroupsSequence = Sequence([group])
        own = dataset()
        own.RescaleSlope, own.RescaleIntercept, own.WindowCenter, own.WindowWidth = slope, intercept, centre, width
        described.append(own)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    save("frames.dcm", ds, ramp(0, 4095, np.uint16, frames=3), described)


def high_bit():
    """Stored bits in the upper part of a sample, with rubbish below; pydicom reads the lower bits."""
    pixels = ramp(0, 4095, np.uint16)
    ds = dataset(HighBit=15, WindowCenter=2000, WindowWidth=3001)
    ds.PixelData = (pixels * 16 + pixels % 16).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.save_as("high-bit.dcm", enforce_file_format=True)
    lines.append(" ".join(["high-bit.dcm", "0", *grey(ds, pixels[0])]))


def colours():
    rgb = ramp(0, 255, np.uint8, samples=3)
    common = dict(SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7)

    def add(name, ds, picture):
        ds["PixelData"].VR = "OB"
        ds.save_as(name, enforce_file_format=True)
        lines.append(f"{name} 0 - {digest(picture)}")

    def padded(array):
        data = array.tobytes()
        return data + bytes(len(data) % 2)

    add("rgb.dcm", dataset(PhotometricInterpretation="RGB", PlanarConfiguration=0, PixelData=padded(rgb), **common), rgb)
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1))
    add("rgb-planar.dcm", dataset(PhotometricInterpretation="RGB", PlanarConfiguration=1, PixelData=padded(planes), **common), rgb)
    add("ybr-full.dcm", dataset(PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0, PixelData=padded(rgb), **common),
        convert_color_space(rgb, "YBR_FULL", "RGB"))
    ds = dataset(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8, BitsStored=8, HighBit=7)
    for i, colour in enumerate(["Red", "Green", "Blue"]):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [200, 20, 16])
        table = ((np.arange(200) * (91 + 60 * i) + 7000 * i) % 256 * 257).astype("<u2")
        setattr(ds, f"{colour}PaletteColorLookupTableData", table.tobytes())
    stored = ramp(0, 255, np.uint8)[0]
    ds.PixelData = padded(stored)
    add("palette.dcm", ds, (apply_color_lut(stored, ds) // 257).astype(np.uint8))
    ds = dataset(PhotometricInterpretation="RGB", PlanarConfiguration=0, PixelData=padded(rgb), **common)
    ds.compress(RLELossless, generate_instance_uid=False)
    add("rle-rgb.dcm", ds, rgb)


def rle():
    ds = dataset(**CT)
    pixels = np.stack([CT_PIXELS[0], CT_PIXELS[0] // 256])
    ds.NumberOfFrames = 2
    ds.PixelData = pixels.tobytes()
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as("rle.dcm", enforce_file_format=True)
    for i in range(2):
        lines.append(" ".join(["rle.dcm", str(i), *grey(ds, pixels[i])]))


greys()
tables()
frames()
high_bit()
colours()
rle()
with open("expected.txt", "w") as f:
    f.write("\n".join(lines) + "\n")
