"""Makes the vision encoders of the tests: small random models as transformers writes them.

Needs torch 2.13.0, transformers 5.18.0 and safetensors; run it in this directory. Each folder holds
config.json and model.safetensors as save_pretrained wrote them, and expected.safetensors: an input,
every hidden state, the outputs, and the gradients of a loss. Weights and inputs are rounded to BF16
(one model to F16); the models compute with the rounded values in F64, results are stored as F32.

The loss is the sum of selected.weight * hidden_states[selected], pooled.weight * pooler_output and
embeds.weight * image_embeds, as far as the model has them.
"""

import json
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

transformers.utils.logging.disable_progress_bar()
BASE = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3)
TEXT = dict(vocab_size=9, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=7, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def clip(**options):
    return CLIPVisionConfig(**(BASE | dict(image_size=16, patch_size=8) | options))


def siglip(**options):
    return SiglipVisionConfig(**(BASE | dict(image_size=16, patch_size=8) | options))


MODELS = {
    # name: (model class, configuration, storage type)
    "clip": (CLIPVisionModel, clip(), torch.float32),
    "clip-gelu": (CLIPVisionModel, clip(hidden_act="gelu", num_attention_heads=4, num_channels=1), torch.bfloat16),
    "clip-gelu-new": (CLIPVisionModel, clip(hidden_act="gelu_new", layer_norm_eps=0.01), torch.bfloat16),
    "clip-silu": (CLIPVisionModel, clip(hidden_act="silu", image_size=17, patch_size=5), torch.float16),
    "clip-relu": (CLIPVisionModel, clip(hidden_act="relu", num_hidden_layers=1, num_attention_heads=1), torch.bfloat16),
    "clip-projection": (CLIPVisionModelWithProjection, clip(projection_dim=10), torch.bfloat16),
    "clip-whole": (CLIPModel, CLIPConfig(text_config=TEXT, vision_config=clip().to_dict(), projection_dim=14), torch.bfloat16),
    "siglip": (SiglipVisionModel, siglip(), torch.float32),
    "siglip-no-head": (SiglipVisionModel, siglip(vision_use_head=False, image_size=18, patch_size=5), torch.bfloat16),
    "siglip-gelu": (SiglipVisionModel, siglip(hidden_act="gelu", layer_norm_eps=1e-5, num_channels=2), torch.float16),
    "siglip-whole": (SiglipModel, SiglipConfig(text_config=TEXT, vision_config=siglip(num_attention_heads=2).to_dict()), torch.bfloat16),
}


def noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def randomise(model, dtype, seed):
    """Random weights everywhere, norms and biases too, so that none of them is a no-op."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in model.named_parameters():
            is_norm = "norm" in key and key.endswith("weight")
            drawn = torch.randn(value.shape, generator=generator) * 0.25 + (1 if is_norm else 0)
            value.copy_(drawn.bfloat16().to(dtype))
    return model.to(dtype)


def vision_of(model):
    return model.vision_model if hasattr(model, "vision_model") else model


def outputs(model, images, selected):
    """Hidden states, outputs and the loss of a model; model computes in the type of its weights."""
    tower = vision_of(model)
    result = tower(pixel_values=images, output_hidden_states=True)
    out = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
    out["last"] = result.last_hidden_state
    loss = (result.hidden_states[selected] * noise(result.hidden_states[selected].shape, 11)).sum()
    weights = {"selected.weight": noise(result.hidden_states[selected].shape, 11)}
    if result.pooler_output is not None:
        out["pooled"] = result.pooler_output
        weights["pooled.weight"] = noise(result.pooler_output.shape, 12)
        loss = loss + (result.pooler_output * weights["pooled.weight"]).sum()
        if hasattr(model, "visual_projection"):
            out["embeds"] = model.visual_projection(result.pooler_output)
            weights["embeds.weight"] = noise(out["embeds"].shape, 13)
            loss = loss + (out["embeds"] * weights["embeds.weight"]).sum()
    return out, weights, loss


def make(name, kind, config, dtype, seed):
    folder = Path(name)
    shutil.rmtree(folder, ignore_errors=True)
    config._attn_implementation = "eager"
    model = randomise(kind(config), dtype, seed)
    model.save_pretrained(folder)
    for extra in folder.iterdir():
        if extra.name not in ("config.json", "model.safetensors"):
            extra.unlink()
    model = model.double().eval()
    vision = vision_of(model).config
    images = noise((2, vision.num_channels, vision.image_size, vision.image_size), 7)
    selected = vision.num_hidden_layers - 1
    out, weights, loss = outputs(model, images.double(), selected)
    loss.backward()
    saved = {"images": images} | weights
    for key, value in out.items():
        saved[key] = value.detach().float().contiguous()
    for key, value in model.named_parameters():
        if value.grad is not None:
            saved["gradient." + key.removeprefix("vision_model.")] = value.grad.float().contiguous()
    save_file(saved, folder / "expected.safetensors", metadata={"selected": str(selected)})
    return max(f.stat().st_size for f in folder.iterdir())


def torch_files():
    """The first model as older versions saved it: torch.save, a prefix, and a table of positions."""
    folder = Path("clip-torch")
    folder.mkdir(exist_ok=True)
    shutil.copy("clip/config.json", folder / "config.json")
    weights = {"vision_model." + k: v.bfloat16() for k, v in load_file("clip/model.safetensors").items()}
    weights["vision_model.embeddings.position_ids"] = torch.arange(5).unsqueeze(0)
    torch.save(weights, folder / "pytorch_model.bin")


def torch_shards():
    """A whole model as older versions cut it up; the text half is in the first file alone."""
    folder = Path("clip-torch-shards")
    folder.mkdir(exist_ok=True)
    weights = load_file("clip-whole/model.safetensors")
    keys = sorted(weights)
    cut = next(i for i, k in enumerate(keys) if k.startswith("vision_model.encoder.layers.1."))
    index = {"metadata": {"total_size": sum(v.nbytes for v in weights.values())}, "weight_map": {}}
    for number, part in enumerate((keys[:cut], keys[cut:]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({k: weights[k] for k in part}, folder / file)
        index["weight_map"] |= {k: file for k in part}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    for seed, (name, (kind, config, dtype)) in enumerate(MODELS.items()):
        print(name, make(name, kind, config, dtype, seed), "bytes in the largest file")
    torch_files()
    torch_shards()
