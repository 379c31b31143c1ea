"""Writes a sharded model as Hugging Face's tools do, and reads it again with them.

Needs: torch 2.13.0, safetensors 0.8.0, huggingface_hub. Run in this folder. Elements are as in
../make_reference.py. The shards are cut at 1000 bytes.
"""

import json

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open


def tensor(dtype, *shape):
    n = int(np.prod(shape, dtype=np.int64))
    v = torch.from_numpy((7 * np.arange(n)) % 23 - 11).reshape(shape)
    return (v * 0.25 if dtype.is_floating_point else v).to(dtype)


model = {
    "embed.weight": tensor(torch.float32, 10, 20),
    "layers.0.weight": tensor(torch.bfloat16, 5, 7),
    "layers.0.steps": tensor(torch.int64, 10, 10),
    "layers.1.weight": tensor(torch.float16, 3, 11),
    "layers.1.scale": tensor(torch.float32),
    "head.weight": tensor(torch.float32, 13, 17),
}
save_torch_state_dict(model, ".", max_shard_size=1000, metadata={"format": "pt"})
index = json.load(open("model.safetensors.index.json"))
assert index["weight_map"].keys() == model.keys()
for key, name in index["weight_map"].items():
    with safe_open(name, framework="pt") as f:
        assert f.metadata() == {"format": "pt"} and torch.equal(f.get_tensor(key), model[key]), key
