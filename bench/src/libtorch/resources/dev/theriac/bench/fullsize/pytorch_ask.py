"""One answer of a full-size model in PyTorch's BF16, as one writes it with transformers: the rival of `bench full-size`.

    python pytorch_ask.py MODEL INPUT THREADS TOKENS [float32]

MODEL is a directory that Theriac wrote (dense Med-MoE: CLIP, a projector, Phi-2 or StableLM-2); its weights are mapped.
INPUT holds ids.json (the prompt, -200 where the picture goes) and pixels.f32 ([3, S, S], normalised). Prints one line of
JSON: seconds of each part, the most memory resident, and the new tokens. The first 23 blocks of CLIP are run, as only
these are needed. With float32 each matrix of the decoder is widened as it is reached: slow, for comparing answers alone.
"""
import json
import os
import sys
import time

started = time.perf_counter()

import torch
import torch.nn as nn
import transformers
from safetensors import safe_open
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers import PhiConfig, PhiForCausalLM, StableLmConfig, StableLmForCausalLM

CLIP = "model.image_tower.image_tower.vision_model."
PROJECTOR = "model.mm_projector.image_spatial_proj."


def read(folder):
    with open(os.path.join(folder, "model.safetensors.index.json")) as f:
        index = json.load(f)["weight_map"]
    out = {}
    for shard in sorted(set(index.values())):
        with safe_open(os.path.join(folder, shard), "pt") as f:
            for key in f.keys():
                out[key] = f.get_tensor(key)
    return out


def load(module, weights, ignored=()):
    missing, unexpected = module.load_state_dict(weights, strict=False, assign=True)
    missing = [k for k in missing if k not in ignored]
    if missing or unexpected:
        sys.exit("weights do not fit: missing %s, unexpected %s" % (missing[:3], unexpected[:3]))
    return module.eval().requires_grad_(False)


def build(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    weights = read(folder)
    vision = config["theriac"]["vision"]
    layers = vision["num_hidden_layers"] + 1 + config["mm_vision_select_layer"]
    phi = config["model_type"].endswith("phi")
    kind, model = (PhiConfig, PhiForCausalLM) if phi else (StableLmConfig, StableLmForCausalLM)
    fields = {k: v for k, v in config.items() if k not in ("theriac", "architectures", "model_type", "torch_dtype")}
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        clip = CLIPVisionModel(CLIPVisionConfig(
            hidden_size=config["mm_hidden_size"], image_size=vision["image_size"], patch_size=vision["patch_size"],
            num_hidden_layers=layers, num_attention_heads=vision["num_attention_heads"],
            intermediate_size=vision["intermediate_size"], layer_norm_eps=vision["layer_norm_eps"]))
        language = model(kind(**fields))
        dim = config["hidden_size"]
        projector = nn.Sequential(nn.Linear(config["mm_hidden_size"], dim), nn.GELU(), nn.Linear(dim, dim))
    torch.set_default_dtype(dtype)
    prefix = "vision_model." if any(k.startswith("vision_model.") for k in clip.state_dict()) else ""
    mine = {prefix + k[len(CLIP):]: v for k, v in weights.items() if k.startswith(CLIP)}
    load(clip, {k: v for k, v in mine.items() if k in clip.state_dict()})
    load(projector, {k[len(PROJECTOR):]: v for k, v in weights.items() if k.startswith(PROJECTOR)})
    rest = {k: v for k, v in weights.items() if not k.startswith(CLIP) and not k.startswith(PROJECTOR)}
    if phi:
        # Med-MoE's head has no bias, that of transformers' Phi has one.
        rest["lm_head.bias"] = torch.zeros(config["vocab_size"], dtype=torch.bfloat16)
    load(language, rest)
    # What is computed and not stored was made without a place.
    for module in list(clip.modules()) + list(language.modules()):
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if name == "position_ids":
                setattr(module, name, torch.arange(buffer.shape[-1]).expand(buffer.shape))
            else:
                fresh = type(module)(language.config)
                for n, b in fresh.named_buffers(recurse=False):
                    setattr(module, n, b)
    return clip, projector, language


def widen(module):
    """Weights of a leaf are F32 while it runs."""
    def before(m, _):
        m.kept = {n: p.data for n, p in m.named_parameters(recurse=False)}
        for n, p in m.named_parameters(recurse=False):
            p.data = p.data.float()

    def after(m, _, out):
        for n, p in m.named_parameters(recurse=False):
            p.data = m.kept[n]
        return out

    for m in module.modules():
        if next(m.parameters(recurse=False), None) is not None and not list(m.children()):
            m.register_forward_pre_hook(before)
            m.register_forward_hook(after)


def resident():
    with open("/proc/self/status") as f:
        return next((int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:")), -1)


@torch.inference_mode()
def main():
    folder, given, threads, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    dtype = getattr(torch, sys.argv[5]) if len(sys.argv) > 5 else torch.bfloat16
    times = [time.perf_counter()]
    clip, projector, language = build(folder)
    if dtype == torch.float32:
        clip.float()
        projector.float()
        widen(language)
    times.append(time.perf_counter())
    with open(os.path.join(given, "ids.json")) as f:
        ids = json.load(f)
    size = clip.config.image_size
    with open(os.path.join(given, "pixels.f32"), "rb") as f:
        pixels = torch.frombuffer(bytearray(f.read()), dtype=torch.float32).view(1, 3, size, size)
    table = language.get_input_embeddings()
    seen = clip(pixels.to(dtype), output_hidden_states=True).hidden_states[-1][:, 1:]
    seen = projector(seen)
    at = ids.index(-200)
    x = torch.cat([table(torch.tensor([ids[:at]])), seen, table(torch.tensor([ids[at + 1:]]))], 1).to(dtype)
    times.append(time.perf_counter())
    out = language(inputs_embeds=x, use_cache=True, logits_to_keep=1)
    tokens = [out.logits[0, -1].argmax().item()]
    times.append(time.perf_counter())
    ends = []
    for _ in range(count - 1):
        step = language(input_ids=torch.tensor([tokens[-1:]]), past_key_values=out.past_key_values, use_cache=True)
        out = step
        tokens.append(step.logits[0, -1].argmax().item())
        ends.append(time.perf_counter())
    if not torch.isfinite(out.logits).all():
        sys.exit("the logits are not finite")
    print(json.dumps({
        "name": "PyTorch %s, transformers %s" % (torch.__version__, transformers.__version__),
        "start": times[0] - started, "load": times[1] - times[0], "picture": times[2] - times[1],
        "prompt": times[3] - times[2], "positions": x.shape[1], "decode": ends[-1] - times[3],
        "steps": count - 1, "resident": resident(), "tokens": tokens}))


main()
