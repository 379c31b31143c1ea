"""Writes reference.safetensors with the reference implementation, and the .npy/.npz samples with NumPy.

Needs: safetensors 0.8.0, numpy, torch 2.13.0. Run in this folder.
Element i (row-major) of every numeric tensor is (7 i mod 23) - 11, times 0.25 for floating types,
plus 11 for unsigned ones; of a boolean one, i mod 3 == 0.
"""

import numpy as np
import torch
from safetensors.torch import save_file


def values(n):
    return (7 * np.arange(n)) % 23 - 11


def tensor(dtype, *shape):
    n = int(np.prod(shape, dtype=np.int64))
    v = torch.from_numpy(values(n)).reshape(shape)
    if dtype == torch.bool:
        return (torch.arange(n) % 3 == 0).reshape(shape)
    if dtype == torch.uint8:
        return (v + 11).to(dtype)
    return (v * 0.25 if dtype.is_floating_point else v).to(dtype)


save_file(
    {
        "layers.0.weight": tensor(torch.float32, 17, 3),
        "layers.0.bias": tensor(torch.float32, 17),
        "bf": tensor(torch.bfloat16, 3, 1, 5),
        "half": tensor(torch.float16, 129),
        "long": tensor(torch.int64, 2, 2),
        "int": tensor(torch.int32, 7),
        "byte": tensor(torch.uint8, 5),
        "signed": tensor(torch.int8, 3),
        "mask": tensor(torch.bool, 1, 3),
        "empty": tensor(torch.float32, 0, 4),
        "scalar": tensor(torch.float32),
        "Schlüssel \"1\"\n": tensor(torch.float32, 1),
    },
    "reference.safetensors",
    metadata={"format": "pt"},
)


def array(dtype, *shape):
    n = int(np.prod(shape, dtype=np.int64))
    if dtype == "b1":
        return (np.arange(n) % 3 == 0).reshape(shape)
    v = values(n).reshape(shape)
    if dtype == "u1":
        return (v + 11).astype(dtype)
    return (v * 0.25 if dtype.startswith("f") else v).astype(dtype)


arrays = {d: array(d, 3, 5) for d in ("u1", "i1", "i4", "i8", "f2", "f4", "f8", "b1")}
arrays["fortran"] = np.asfortranarray(array("f4", 3, 5, 2))
arrays["scalar"] = np.float32(-2.75)
arrays["empty"] = array("f4", 0, 3)
arrays["vector"] = array("i8", 129)
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
np.savez(
    "refused.npz",
    big_endian=array("f4", 2).astype(">f4"),
    complex=array("f4", 2).astype("c8"),
    text=np.array(["a", "bc"]),
    record=np.zeros(2, dtype=[("x", "f4"), ("y", "i4")]),
    good=array("f4", 2),
)
np.save("single.npy", array("f4", 17, 3))
