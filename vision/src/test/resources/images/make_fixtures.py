"""Makes the picture fixtures of the vision tests. Run in this folder: python3 make_fixtures.py

The files here were made with Pillow 9.4.0 and NumPy 1.24.2 on x86-64. The tests read only files.
"""
import hashlib
import math

import numpy as np
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def picture(width, height, seed):
    """Smooth waves with a hard edge and a little noise."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(3):
        plane = 128 + 90 * np.sin(x / (3 + c) + seed) * np.cos(y / (4 + c))
        plane[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (min(width, height) / 4) ** 2] = 250 - 80 * c
        planes.append(plane + rng.randint(-20, 21, plane.shape))
    return Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8), "RGB")


def clip_pixels(image, size, pad):
    """What CLIPImageProcessor does before the floats, by its documented steps."""
    image = image.convert("RGB")
    width, height = image.size
    if pad and width != height:
        side = max(width, height)
        square = Image.new("RGB", (side, side), tuple(int(m * 255) for m in MEAN))
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        image = square
        width = height = side
    short, long = min(width, height), max(width, height)
    new_long = int(size * long / short)
    target = (size, new_long) if width <= height else (new_long, size)
    image = image.resize(target, resample=Image.BICUBIC)
    left, top = (target[0] - size) // 2, (target[1] - size) // 2
    return np.asarray(image)[top:top + size, left:left + size]


def clip_floats(pixels):
    scaled = (pixels * (1 / 255)).astype(np.float32)
    normal = (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)).astype("<f4")


def preprocessing():
    sizes = [(1, 1), (3, 1), (1, 17), (5, 3), (28, 28), (29, 28), (37, 53), (129, 17), (64, 64),
             (97, 61), (333, 129), (336, 336)]
    lines = ["# picture size pad sha256-of-pixels sha256-of-floats(little-endian f32, CHW)"]
    for i, (width, height) in enumerate(sizes):
        image = picture(width, height, i)
        name = f"in-{width}x{height}.png"
        if width <= 129:
            image.save(name, optimize=True)
        else:
            # Large ones are a tiled small one, which the test builds too.
            image = Image.fromarray(np.tile(np.asarray(picture(37, 53, 6)), (7, 10, 1))[:height, :width])
            name = f"tile-{width}x{height}"
        for size in (1, 28, 32, 336):
            for pad in (False, True):
                pixels = clip_pixels(image, size, pad)
                hashes = [hashlib.sha256(a.tobytes()).hexdigest() for a in (pixels, clip_floats(pixels))]
                lines.append(" ".join([name, str(size), "pad" if pad else "crop", *hashes]))
    with open("preprocess.txt", "w") as f:
        f.write("\n".join(lines) + "\n")
    # Two results in full, to see by how much a wrong one differs.
    Image.fromarray(clip_pixels(Image.open("in-37x53.png"), 32, True)).save("out-37x53-32-pad.png")
    Image.fromarray(clip_pixels(Image.open("in-129x17.png"), 28, False)).save("out-129x17-28-crop.png")


def formats():
    rgb = picture(33, 17, 40)
    rgb.save("rgb.png")
    rgb.save("rgb.tif", compression="tiff_lzw")
    rgb.save("rgb-420.jpg", quality=85, subsampling=2)
    rgb.save("rgb-444-progressive.jpg", quality=95, subsampling=0, progressive=True)
    rgb.convert("L").save("grey.png")
    rgb.convert("L").save("grey.jpg", quality=90)
    rgb.convert("1").save("bit.png")
    rgb.convert("CMYK").save("cmyk.jpg", quality=98)
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L"))
    rgba.save("rgba.png")
    rgba.convert("LA").save("grey-alpha.png")
    palette = rgb.quantize(13)
    palette.save("palette.png", transparency=2)
    ramp = (np.arange(33 * 17, dtype=np.uint32) * 117 % 65536).astype(np.uint16).reshape(17, 33)
    Image.fromarray(ramp).save("grey16.png")
    Image.fromarray(ramp).save("grey16.tif")
    for name in ("bit.png", "palette.png", "rgba.png", "grey-alpha.png", "rgb-420.jpg",
                 "rgb-444-progressive.jpg", "grey.jpg"):
        Image.open(name).convert("RGB").save("expect-" + name.replace(".", "-") + ".png")


preprocessing()
formats()
