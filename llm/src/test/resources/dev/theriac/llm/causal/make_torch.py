"""Writes torch/pytorch_model.bin and torch-shards/: the weights of NAME.safetensors as PyTorch files,
whole and in two with an index, as transformers did before safetensors.

Needs torch 2.13.0 and safetensors; run it in this directory after make_models.py. As in published
files, the tied head shares the table's storage and is stored too; some matrices
are transposed views, and there are tables of rotary frequencies, which no model of today wants.
"""

import json
import pathlib

import torch
from safetensors.torch import load_file


def weights(name):
    return {k[8:]: v for k, v in load_file(f"{name}.safetensors").items() if k.startswith("weights.")}


def whole(name):
    state = weights(name)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    for layer in range(2):
        for part in "kv":
            key = f"model.layers.{layer}.self_attn.{part}_proj.weight"
            state[key] = state[key].t().contiguous().t()
        state[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    pathlib.Path("torch").mkdir(exist_ok=True)
    torch.save(state, "torch/pytorch_model.bin")


def shards(name):
    folder = pathlib.Path("torch-shards")
    folder.mkdir(exist_ok=True)
    state = weights(name)
    keys = sorted(state)
    names = [f"pytorch_model-{i + 1:05}-of-00002.bin" for i in range(2)]
    parts = [keys[: len(keys) // 2], keys[len(keys) // 2 :]]
    for file, part in zip(names, parts):
        torch.save({k: state[k] for k in part}, folder / file)
    index = {
        "metadata": {"total_size": sum(v.nbytes for v in state.values())},
        "weight_map": {k: file for file, part in zip(names, parts) for k in part},
    }
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    whole("phi-options")
    shards("qwen2-yarn")
