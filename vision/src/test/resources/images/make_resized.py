"""Makes resized.txt and processed.txt, hashes of what Pillow and transformers make of pictures.

Needs Pillow 12.3.0, NumPy and transformers 5.18.0; run it in this folder. Pictures are computed, so
that the tests compute them too.
"""

import hashlib
import json
import os
import sys
import tempfile

import numpy as np
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil


def picture(mode, width, height):
    """Ramps, a lattice of hard edges and a square pattern; in integers."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = []
    for c in range(1 if mode == "L" else 3):
        plane = x * (7 + c) + y * 13 + (x * y) % 31 * 5 + np.where((x // 3 + y // 5) % 2 == 0, 90, 0) + 40 * c
        planes.append(plane % 256)
    samples = np.stack(planes, -1).astype(np.uint8)
    return Image.fromarray(samples[..., 0] if mode == "L" else samples)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def resized():
    sizes = [(1, 1, 7, 5), (1, 1, 1, 336), (1, 40, 9, 9), (40, 1, 3, 2), (2, 3, 224, 224), (37, 53, 19, 61),
             (53, 37, 53, 20), (53, 37, 20, 37), (129, 17, 1, 1), (64, 64, 64, 64), (97, 61, 33, 31),
             (300, 200, 7, 199), (1000, 3, 224, 5), (17, 640, 12, 224), (335, 337, 336, 336)]
    lines = ["# mode from to filter sha256 of the samples"]
    for mode in ("L", "RGB"):
        for width, height, to_width, to_height in sizes:
            image = picture(mode, width, height)
            for kernel in Image.Resampling:
                out = image.resize((to_width, to_height), resample=kernel)
                lines.append(f"{mode} {width}x{height} {to_width}x{to_height} {kernel.name} {digest(np.asarray(out))}")
    with open("resized.txt", "w") as f:
        f.write("\n".join(lines) + "\n")


def configurations():
    clip, siglip = "CLIPImageProcessor", "SiglipImageProcessor"
    yield {"image_processor_type": clip}
    yield {"image_processor_type": siglip}
    # as published: the numbers of openai/clip-vit-large-patch14-336
    yield {"crop_size": 336, "do_center_crop": True, "do_normalize": True, "do_resize": True,
           "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 336,
           "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    yield {"image_processor_type": siglip, "size": {"height": 31, "width": 45}, "resample": 2, "do_convert_rgb": None,
           "do_normalize": None}
    yield {"image_processor_type": siglip, "size": {"height": 384, "width": 384}, "resample": 3}
    for resample in range(6):
        yield {"image_processor_type": clip, "size": {"shortest_edge": 30}, "crop_size": {"height": 30, "width": 30},
               "resample": resample}
    yield {"image_processor_type": clip, "size": 20, "crop_size": [24, 17]}
    yield {"image_processor_type": clip, "size": [21, 34], "do_center_crop": False}
    yield {"image_processor_type": clip, "size": 23, "default_to_square": True, "do_center_crop": False}
    yield {"image_processor_type": clip, "size": {"shortest_edge": 20, "longest_edge": 33}, "do_center_crop": False}
    yield {"image_processor_type": clip, "size": {"max_height": 40, "max_width": 30}, "do_center_crop": False}
    yield {"image_processor_type": clip, "do_resize": False, "crop_size": {"height": 41, "width": 40}}
    yield {"image_processor_type": clip, "do_resize": False, "do_center_crop": False, "do_normalize": False}
    yield {"image_processor_type": siglip, "size": {"shortest_edge": 16}, "do_center_crop": True, "crop_size": 16,
           "do_rescale": False}
    yield {"image_processor_type": clip, "size": 16, "crop_size": 16, "do_rescale": False, "do_normalize": False}
    yield {"image_processor_type": siglip, "rescale_factor": 0.00784313725490196, "image_mean": 1.0, "image_std": 1.0,
           "size": {"height": 12, "width": 12}}
    yield {"image_processor_type": clip, "size": 16, "crop_size": 16, "do_convert_rgb": False, "image_mean": 0.4,
           "image_std": 0.3}


def processed():
    lines = ["# mode size | preprocessor_config.json | shape | sha256 of little-endian f32"]
    for config in configurations():
        kind = SiglipImageProcessorPil if "Siglip" in config.get("image_processor_type", "") else CLIPImageProcessorPil
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
                json.dump(config, f)
            processor = kind.from_pretrained(folder)
        for mode, width, height in [("RGB", 53, 37), ("RGB", 37, 53), ("L", 64, 64), ("L", 19, 40), ("RGB", 2, 3)]:
            if mode == "L" and config.get("do_convert_rgb", True) is None:
                continue  # Theriac converts, transformers does not
            values = processor(picture(mode, width, height), return_tensors=None)["pixel_values"][0]
            values = np.asarray(values).astype("<f4")
            shape = "x".join(map(str, values.shape))
            lines.append(f"{mode} {width}x{height} | {json.dumps(config)} | {shape} | {digest(values)}")
    with open("processed.txt", "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    resized()
    processed()
