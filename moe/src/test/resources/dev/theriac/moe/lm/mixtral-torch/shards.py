"""Writes the weights of ../mixtral.safetensors in F32, in two PyTorch files and an index, as transformers did.

Needs: torch 2.13.0, safetensors 0.8.0. Run in this folder.
"""

import json

import torch
from safetensors.torch import load_file

weights = {k[8:]: v.float() for k, v in load_file("../mixtral.safetensors").items() if k.startswith("weights.")}
keys = sorted(weights)
names = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
parts = [keys[: len(keys) // 2], keys[len(keys) // 2 :]]
for name, part in zip(names, parts):
    torch.save({k: weights[k] for k in part}, name)
index = {
    "metadata": {"total_size": sum(v.nbytes for v in weights.values())},
    "weight_map": {k: name for name, part in zip(names, parts) for k in part},
}
json.dump(index, open("pytorch_model.bin.index.json", "w"), indent=2)
