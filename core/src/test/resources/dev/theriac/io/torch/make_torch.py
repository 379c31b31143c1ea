"""Writes files as torch.save does: good ones and such as are to be refused.

Needs: torch 2.13.0, safetensors 0.8.0, numpy. Run in this folder. Element i (row-major) of every tensor is as in
../make_reference.py: (7 i mod 23) - 11, times 0.25 for floating types, plus 11 for unsigned ones; of
a boolean one, i mod 3 == 0. What is good is loaded again by torch and compared before it is kept.
"""

import argparse
import collections
import io
import json
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

warnings.filterwarnings("ignore")


def tensor(dtype, *shape):
    n = int(np.prod(shape, dtype=np.int64))
    v = torch.from_numpy((7 * np.arange(n)) % 23 - 11).reshape(shape)
    if dtype == torch.bool:
        return (torch.arange(n) % 3 == 0).reshape(shape)
    if dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64):
        return (v + 11).to(dtype)
    return (v * 0.25 if dtype.is_floating_point or dtype.is_complex else v).to(dtype)


DTYPES = ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool "
          "complex64 complex128 float8_e4m3fn float8_e5m2").split()


def views():
    shared = tensor(torch.float32, 6, 8)
    big = tensor(torch.float64, 6, 8)
    tied = tensor(torch.float32, 3, 3)
    attributed = torch.nn.Parameter(tensor(torch.float32, 2, 2))
    attributed.tag = "x"
    plain_with_attribute = tensor(torch.float32, 2, 3)
    plain_with_attribute.tag = [1, "x"]
    return {
        "whole": shared,
        "transposed": shared.t(),
        "row": shared[2],
        "column": shared[:, 3],
        "steps": shared[1::2, ::3],
        "expanded": shared[4, 5].expand(3, 2),
        "expanded.row": shared[1].expand(4, 2, 8),
        "scalar": shared[5, 7],
        "one": shared[5:, 7:],
        "permuted": shared.reshape(2, 3, 8).permute(2, 0, 1),
        "double": big,
        "double.transposed": big.t(),
        "double.steps": big[1::2, ::3],
        "double.expanded": big[4, 5].expand(3, 2),
        "empty": torch.empty(0),
        "empty.shaped": torch.empty(3, 0, 2),
        "empty.slice": shared[3:3],
        "tied.a": tied,
        "tied.b": tied,
        "channels": tensor(torch.float16, 1, 2, 3, 4).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(tensor(torch.bfloat16, 3, 5)),
        "attributed": attributed,
        "plain_with_attribute": plain_with_attribute,
    }


def model():
    torch.manual_seed(1)
    linear = torch.nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(tensor(torch.float32, 2, 3))
        linear.bias.copy_(tensor(torch.float32, 2))
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.5)
    linear(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        linear.weight.copy_(tensor(torch.float32, 2, 3))
    return {
        "model": linear.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "loss": 0.25,
        "name": "Lunge (größer) 肺",
        "done": False,
        "nothing": None,
        "large": 2**70,
        "negative": -(2**40),
        "raw": b"\x00\xff",
        "mutable": bytearray(b"\x00\xff"),
        "no": b"",
        "size": torch.Size([2, 3]),
        "dtype": torch.bfloat16,
        "device": torch.device("cuda", 1),
        "set": {1},
        "frozen": frozenset(["a"]),
        "list": [1, (2, 3), {"x": [4]}],
        "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
    }


def flat(prefix, value):
    if isinstance(value, torch.Tensor):
        yield prefix, value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from flat(f"{prefix}.{k}", v)


def check(name, expected):
    loaded = dict(flat("", torch.load(name, weights_only=False)))
    for key, t in flat("", expected):
        assert torch.equal(loaded[key], t) and loaded[key].stride() == t.stride(), key


def save(value, name, protocol=2, **options):
    torch.save(value, name, pickle_protocol=protocol, **options)


def repack(source, name, change=lambda n, d: d, compression=zipfile.ZIP_STORED):
    """The same entries written by Python: no padding, so that elements lie at odd addresses."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(name, "w") as new:
        for info in old.infolist():
            data = change(info.filename.split("/", 1)[1], old.read(info.filename))
            new.writestr(zipfile.ZipInfo(info.filename), data, compression)


class Unseekable(io.RawIOBase):
    """Makes zipfile write sizes behind the data instead of before it."""

    def __init__(self):
        self.bytes = b""

    def writable(self):
        return True

    def write(self, b):
        self.bytes += bytes(b)
        return len(b)


def descriptors(source, name):
    out = Unseekable()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(info.filename), old.read(info.filename))
    open(name, "wb").write(out.bytes)


def zip64(source, name):
    """Every size and place in zip64 fields, as in files beyond 4 GiB."""
    out = b""
    directory = b""
    with zipfile.ZipFile(source) as old:
        infos = old.infolist()
        for info in infos:
            n = info.filename.encode()
            data = old.read(info.filename)
            at = len(out)
            extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
            out += struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF, len(n), len(extra))
            out += n + extra + data
            extra = struct.pack("<HH3s", 0x1234, 3, b"abc") + struct.pack("<HHQQQ", 1, 24, len(data), len(data), at)
            directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, info.CRC, 0xFFFFFFFF, 0xFFFFFFFF,
                                     len(n), len(extra), 3, 0, 0, 0, 0xFFFFFFFF) + n + extra + b"why"
    start = len(out)
    out += directory
    end = len(out)
    out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, len(infos), len(infos), len(directory), start)
    out += struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    out += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 7) + b"comment"
    open(name, "wb").write(out)


def swapped(name, data, sizes):
    if name == "byteorder":
        return b"big"
    if name.startswith("data/"):
        size = sizes[int(name[5:])]
        return np.frombuffer(data, f"<u{size}").astype(f">u{size}").tobytes() if size > 1 else data
    return data


good = {d: tensor(getattr(torch, d), 2, 3) for d in DTYPES}
save(good, "dtypes.pt")
check("dtypes.pt", good)
for protocol in (2, 3, 4, 5):
    save(views(), f"views-{protocol}.pt", protocol)
    check(f"views-{protocol}.pt", views())
    save(model(), f"nested-{protocol}.pt", protocol)
    check(f"nested-{protocol}.pt", model())

def contiguous(tensors, name):
    save_file({k: t.detach().clone(memory_format=torch.contiguous_format) for k, t in tensors.items()}, name)


contiguous({d: t for d, t in good.items() if d != "complex128"}, "dtypes.safetensors")
contiguous(views(), "views.safetensors")

some = {d: tensor(getattr(torch, d), 2, 3) for d in ("float32", "bfloat16", "int64", "uint8", "float64", "int16")}
some["transposed"] = some["float32"].t()
save(some, "some.pt")
repack("some.pt", "big-endian.pt", lambda n, d: swapped(n, d, [4, 2, 8, 1, 8, 2]))
repack("some.pt", "deflated.pt", compression=zipfile.ZIP_DEFLATED)
for name, make in (("odd.pt", repack), ("descriptors.pt", descriptors), ("zip64.pt", zip64)):
    make("some.pt", name)
for name in ("some.pt", "odd.pt", "zip64.pt", "big-endian.pt"):
    check(name, some)

save(tensor(torch.float32, 2, 3), "lone.pt")
save([tensor(torch.float32, 2), (tensor(torch.int64, 3),)], "list.pt")
save({1: {"a": tensor(torch.float32, 1)}}, "numbered.pt")

weights = {f"layer.{i}.weight": tensor(torch.float32, 2, i + 1) for i in range(4)}
for i in range(2):
    save({k: v for k, v in weights.items() if int(k[6]) // 2 == i}, f"pytorch_model-0000{i + 1}-of-00002.bin")
json.dump({"metadata": {"total_size": sum(v.nbytes for v in weights.values())},
           "weight_map": {k: f"pytorch_model-0000{int(k[6]) // 2 + 1}-of-00002.bin" for k in weights}},
          open("pytorch_model.bin.index.json", "w"), indent=2)

# To be refused.
save(some, "legacy.pt", _use_new_zipfile_serialization=False)
with tarfile.open("tar.pt", "w") as tar:
    for name in ("sys_info", "pickle", "tensors", "storages"):
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), "script.pt")


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch executed",)


class Attribute:
    def __reduce__(self):
        return getattr, ("", "join")


refused = {
    "system": Evil(),
    "getattr": Attribute(),
    "eval": type("E", (), {"__reduce__": lambda self: (eval, ("1",))})(),
    "namespace": argparse.Namespace(a=1),
    "numpy": np.float64(1.0),
    "array": np.zeros(2),
    "complex": 1 + 2j,
    "sparse": torch.eye(2).to_sparse(),
    "quantised": torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8),
    "conjugated": torch.ones(2, dtype=torch.complex64).conj(),
    "meta": torch.empty(2, device="meta"),
    "storage": torch.ones(2).untyped_storage(),
    "function": torch._utils._rebuild_tensor_v2,
    "defaultdict": collections.defaultdict(list),
    "tuple_key": {(1, 2): 3},
}
for name, value in refused.items():
    save({"good": torch.ones(1), "bad": value}, f"refused-{name}.pt")
save(torch.nn.Linear(2, 1), "refused-module.pt")
