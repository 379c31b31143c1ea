"""Makes files of four inks and files that were held another way up. Run in this folder, after
make_fixtures.py, whose pictures it takes. Made with Pillow 12.3.0 and NumPy.
"""

import hashlib

import numpy as np
from PIL import Image, ImageOps


def digest(image):
    return hashlib.sha256(np.asarray(image).tobytes()).hexdigest()


def inks():
    """The Adobe segment says how inks are written; other segments say so by being changed."""
    with open("cmyk.jpg", "rb") as f:
        adobe = f.read()
    at = adobe.index(b"\xff\xee")
    ycck = bytearray(adobe)
    ycck[at + 15] = 2  # the colour transform: other colours come out, but the file is a right one
    plain = adobe[:at] + adobe[at + 2 + int.from_bytes(adobe[at + 2 : at + 4], "big") :]
    for name, data in [("ycck", ycck), ("cmyk-plain", plain)]:
        with open(name + ".jpg", "wb") as f:
            f.write(data)
    for name in ("cmyk", "ycck", "cmyk-plain"):
        Image.open(name + ".jpg").convert("RGB").save(f"expect-{name}-jpg.png")
    Image.open("rgb.png").convert("CMYK").save("cmyk.tif", compression="tiff_lzw")
    Image.open("cmyk.tif").convert("RGB").save("expect-cmyk-tif.png")


def orientations():
    rgb, wide = Image.open("rgb.png"), Image.open("grey16.png")
    lines = ["# picture orientation width height sha256 of the samples"]
    for name, image in [("rgb.png", rgb), ("grey16.png", wide)]:
        for value in range(1, 9):
            image.getexif()[274] = value
            turned = ImageOps.exif_transpose(image)
            lines.append(f"{name} {value} {turned.width} {turned.height} {digest(turned)}")
    with open("orientations.txt", "w") as f:
        f.write("\n".join(lines) + "\n")
    exif = Image.Exif()
    exif[274] = 6
    rgb.save("held-6.png", exif=exif)
    rgb.save("held-6.jpg", quality=95, subsampling=0, exif=exif)
    rgb.save("held-8.tif", compression="tiff_lzw", tiffinfo={274: 8})
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    rgb.save("held-xmp-3.jpg", quality=95, subsampling=0, xmp=xmp)
    for name in ("held-6.png", "held-6.jpg", "held-8.tif", "held-xmp-3.jpg"):
        image = ImageOps.exif_transpose(Image.open(name))
        image.convert("RGB").save("expect-" + name.replace(".", "-") + ".png", exif=b"")


inks()
orientations()
