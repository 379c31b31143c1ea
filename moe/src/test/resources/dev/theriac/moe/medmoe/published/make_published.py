"""Writes small models in the layout in which Med-MoE's authors publish theirs, and their logits.

Needs torch 2.13.0, transformers 5.18.0, tokenizers, safetensors, numpy and pillow; run it in this
directory. Attention, norms, rotary positions and the image encoder are those of transformers; the
mixture of experts, the projector, the merging of text and picture and the names of the tensors are
written here from the paper (arXiv 2404.10237) and a description of its code. Weights are random and
rounded to BF16, as published ones are; the models compute with the rounded values, in F64.

llavaphi-2.7b-medmoe/        third stage of Phi: shards of safetensors, the image encoder in them,
                             whose configuration lies beside, in clip-vit-tiny-patch6-18/
llavastablelm-1.6b-medmoe/   third stage of StableLM: shards of pytorch_model.bin, without the image
                             encoder, whose weights lie in siglip-tiny/ beside (an absolute path
                             that does not exist names it), and without routers, which
                             stablelm_router.pth holds
llavaphi-2.7b-stage1/        first stage of Phi: mm_projector.bin alone; the language model is in
                             phi-2/
tinymed-phi2/                the first form of the third stage: two experts for a token, no meta
                             expert, routers without bias; pytorch_model.bin
reference.safetensors        ids of the prompt, pixels and logits of each
picture.png                  what is asked about
"""

import json
import os
import shutil

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    PhiConfig,
    PhiForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
    StableLmConfig,
    StableLmForCausalLM,
)
from transformers.activations import ACT2FN

DIM, INNER, LAYERS, HEADS, SEEN = 16, 24, 4, 2, 12
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
    " helpful, detailed, and polite answers to the user's questions."
)
PROMPT = SYSTEM + " USER: <image>\nIs there a  nodule in the left lung? ASSISTANT:"
END = "<|endoftext|>"
GATED = ["gate_proj", "up_proj", "down_proj", "wg"]
VISION = "model.image_tower.image_tower.vision_model."
PROJECTOR = "model.mm_projector.image_spatial_proj."
reference = {}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def byte_pairs():
    """A vocabulary of GPT-2's kind: the bytes, a few merges, the end token last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    texts = [SYSTEM, "Is there a nodule in the left lung? USER: ASSISTANT:"]
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"] | {END: len(model["vocab"])}
    return vocabulary, [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]


def write_tokenizer(directory, kind, added, pad):
    vocabulary, merges = byte_pairs()
    with open(f"{directory}/vocab.json", "w", encoding="utf-8") as file:
        json.dump(vocabulary, file, ensure_ascii=False)
    with open(f"{directory}/merges.txt", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    ids = {token: len(vocabulary) + i for i, token in enumerate(added)}
    write_json(f"{directory}/added_tokens.json", ids)
    special = {"bos_token": END, "eos_token": END, "pad_token": pad, "unk_token": pad}
    write_json(f"{directory}/special_tokens_map.json", special)
    decoder = {
        str(i): {
            "content": token,
            "lstrip": False,
            "normalized": not token.startswith("<|"),
            "rstrip": False,
            "single_word": False,
            "special": token.startswith("<|"),
        }
        for token, i in ({END: vocabulary[END]} | ids).items()
    }
    write_json(
        f"{directory}/tokenizer_config.json",
        {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder}
        | special
        | {
            "clean_up_tokenization_spaces": True,
            "model_max_length": 2048,
            "padding_side": "right",
            "tokenizer_class": kind,
            "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
        },
    )
    return len(vocabulary) + len(added), vocabulary[END], ids[pad]


def rounded(module, seed):
    """Random weights that BF16 holds; norms and biases too, so that none is a no-op."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=generator) * 0.25
            norm = name.endswith("weight") and value.dim() == 1
            value.copy_((noise + (1 if norm else 0)).bfloat16())
    return module.double().eval()


class PhiFeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(DIM, INNER), nn.Linear(INNER, DIM)

    def forward(self, u):
        return self.fc2(ACT2FN["gelu_new"](self.fc1(u)))


class StableLmFeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(DIM, INNER, bias=False)
        self.up_proj = nn.Linear(DIM, INNER, bias=False)
        self.down_proj = nn.Linear(INNER, DIM, bias=False)

    def forward(self, u):
        return self.down_proj(nn.functional.silu(self.gate_proj(u)) * self.up_proj(u))


class Mixture(nn.Module):
    """The modules' names give the tensors their published ones."""

    def __init__(self, expert, count, top, meta, bias):
        super().__init__()
        self.top = top
        self.deepspeed_moe = nn.Module()
        self.deepspeed_moe.gate = nn.Module()
        self.deepspeed_moe.gate.wg = nn.Linear(DIM, count, bias=bias)
        self.deepspeed_moe.experts = nn.Module()
        self.deepspeed_moe.experts.deepspeed_experts = nn.ModuleList(expert() for _ in range(count))
        if meta:
            self.meta_moe = expert()

    def forward(self, u):
        flat = u.reshape(-1, u.shape[-1])
        p = torch.softmax(self.deepspeed_moe.gate.wg(flat), dim=-1)
        weight, chosen = torch.topk(p, self.top, dim=-1)
        if self.top > 1:
            weight = weight / weight.sum(dim=-1, keepdim=True)
        y = self.meta_moe(flat) if hasattr(self, "meta_moe") else torch.zeros_like(flat)
        for t in range(flat.shape[0]):
            for k in range(self.top):
                expert = self.deepspeed_moe.experts.deepspeed_experts[chosen[t, k]]
                y[t] = y[t] + weight[t, k] * expert(flat[t])
        return y.reshape(u.shape)


def decoder(family, rows, mixture):
    common = dict(
        vocab_size=rows,
        hidden_size=DIM,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=512,
        attn_implementation="eager",
    )
    if family == "phi":
        rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
        model = PhiForCausalLM(PhiConfig(**common, hidden_act="gelu_new", rope_parameters=rope))
        expert = PhiFeedForward
    else:
        rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}
        config = StableLmConfig(**common, use_qkv_bias=True, rope_parameters=rope)
        model = StableLmForCausalLM(config)
        expert = StableLmFeedForward
    for i in range(0, LAYERS, 2) if mixture else []:
        model.model.layers[i].mlp = Mixture(expert, 4, **mixture)
    rounded(model, 1)
    if family == "phi":
        nn.init.zeros_(model.lm_head.bias)  # Med-MoE's head has none
    return model


def projector():
    return rounded(nn.Sequential(nn.Linear(SEEN, DIM), nn.GELU(), nn.Linear(DIM, DIM)), 2)


def clip():
    config = CLIPVisionConfig(
        hidden_size=SEEN,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=18,
        patch_size=6,
        projection_dim=8,
        attn_implementation="eager",
    )
    processor = CLIPImageProcessor(
        size={"shortest_edge": 18}, crop_size={"height": 18, "width": 18}
    )
    return rounded(CLIPVisionModel(config), 3), processor


def siglip():
    config = SiglipVisionConfig(
        hidden_size=SEEN,
        intermediate_size=20,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=18,
        patch_size=6,
        attn_implementation="eager",
    )
    processor = CLIPImageProcessor(
        size={"height": 18, "width": 18},
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return rounded(SiglipVisionModel(config), 4), processor


def tower_directory(name, tower, processor):
    """CLIP as OpenAI publishes it: the encoder's configuration inside one of text and pictures,
    a projection beside its weights. SigLIP: the encoder alone."""
    os.makedirs(name)
    config = tower.config.to_dict() | {"dtype": "bfloat16"}
    state = {
        "vision_model." + key.removeprefix("vision_model."): value.bfloat16()
        for key, value in tower.state_dict().items()
    }
    if isinstance(tower, CLIPVisionModel):
        config = {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": 8,
            "text_config": {"model_type": "clip_text_model"},
            "vision_config": config,
        }
        state["visual_projection.weight"] = torch.ones(8, SEEN).bfloat16()
        state["logit_scale"] = torch.tensor(4.6).bfloat16()
    write_json(f"{name}/config.json", config)
    processor.save_pretrained(name)
    save_file(state, f"{name}/model.safetensors", {"format": "pt"})


def picture():
    """Wider than high, with a gradient and an edge."""
    y, x = np.mgrid[0:21, 0:37]
    pixels = np.stack([x * 6, y * 11, (x + y) % 7 * 36], axis=-1)
    pixels[5:12, 20:30] = (200, 30, 90)
    return Image.fromarray(pixels.astype(np.uint8), "RGB")


def squared(image, mean):
    side = max(image.size)
    colour = tuple(int(m * 255) for m in mean)
    out = Image.new("RGB", (side, side), colour)
    out.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return out


def compute(name, directory, model, tower, processor, through, pad):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    before, after = PROMPT.split("<image>")
    ids = tokenizer(before)["input_ids"] + [-200] + tokenizer(after)["input_ids"]
    image = squared(picture(), processor.image_mean) if pad else picture()
    pixels = processor(image, return_tensors="pt")["pixel_values"].double()
    with torch.no_grad():
        seen = tower(pixels, output_hidden_states=True).hidden_states[-2]
        if isinstance(tower, CLIPVisionModel):
            seen = seen[:, 1:]
        table = model.get_input_embeddings()
        at = ids.index(-200)
        text = lambda part: table(torch.tensor([part], dtype=torch.long))
        x = torch.cat([text(ids[:at]), through(seen), text(ids[at + 1 :])], dim=1)
        logits = model(inputs_embeds=x).logits[0]
    reference[f"{name}.ids"] = torch.tensor(ids)
    reference[f"{name}.pixels"] = pixels[0].float().contiguous()
    positions = list(range(len(logits) - 1, -1, -7))  # enough, and the file stays small
    reference[f"{name}.positions"] = torch.tensor(positions)
    reference[f"{name}.logits"] = logits[positions].float().contiguous()


def config(family, mixture, rows, end, pad, tower, aspect):
    phi = family == "phi"
    moe = "MoELLaVA" if mixture else "Llava"
    out = {
        "_name_or_path": "checkpoints/llava-tiny-stage2",
        "architectures": [moe + ("Phi" if phi else "Stablelm") + "ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": end,
        "eos_token_id": end,
        "freeze_mm_mlp_adapter": False,
        "hidden_act": "gelu_new" if phi else "silu",
        "hidden_size": DIM,
        "image_aspect_ratio": aspect,
        "image_projector_type": "mlp2x_gelu",
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "max_position_embeddings": 512,
        "mm_hidden_size": SEEN,
        "mm_image_tower": tower,
        "mm_projector_lr": None,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_video_tower": None,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "model_type": ("moe_llava_" if mixture else "llava_") + family,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": HEADS,
        "pad_token_id": pad,
        "rope_theta": 10000,
        "tie_word_embeddings": False,
        "tokenizer_padding_side": "right",
        "torch_dtype": "bfloat16",
        "transformers_version": "4.37.0",
        "tune_mm_mlp_adapter": False,
        "use_cache": True,
        "use_mm_proj": True,
        "video_global_proj": False,
        "video_projector_type": "linear",
        "video_spatial_proj": False,
        "video_temproal_proj": False,
        "vocab_size": rows,
    }
    if phi:
        out |= {
            "embd_pdrop": 0.0,
            "layer_norm_eps": 1e-05,
            "partial_rotary_factor": 0.5,
            "qk_layernorm": False,
            "resid_pdrop": 0.1,
            "rope_scaling": None,
        }
    else:
        out |= {
            "norm_eps": 1e-05,
            "num_heads": HEADS,
            "rope_pct": 0.25,
            "rotary_scaling_factor": 1.0,
            "use_qkv_bias": True,
        }
    if mixture:
        out["moe"] = {
            "capacity_factor": 1.5,
            "ep_size": 1,
            "eval_capacity_factor": 2.0,
            "min_capacity": 0,
            "moe_enable": True,
            "moe_layers_idx": [0, 2],
            "moe_mode": "sparse",
            "num_experts": [4, 4],
            "router_aux_loss_coef": 0.0,
            "top_k_experts": mixture["top"],
            "train_modules": ["fc1", "fc2", "wg"] if phi else GATED,
            "use_residual": False,
        }
    return dict(sorted(out.items()))


def tensors(model, through, tower):
    """As published: BF16, but the routers, which are F32."""
    out = {}
    for key, value in model.state_dict().items():
        if key != "lm_head.bias":
            out[key] = value.float() if ".gate.wg." in key else value.bfloat16()
    if through is not None:
        out |= {PROJECTOR + key: value.bfloat16() for key, value in through.state_dict().items()}
    if tower is not None:
        for key, value in tower.state_dict().items():
            out[VISION + key.removeprefix("vision_model.")] = value.bfloat16()
    return {key: value.contiguous() for key, value in out.items()}


def halves(all_tensors):
    keys = list(all_tensors)
    middle = len(keys) // 2
    return [{k: all_tensors[k] for k in part} for part in (keys[:middle], keys[middle:])]


def shards(directory, all_tensors, stem, suffix, write):
    where = {}
    for i, part in enumerate(halves(all_tensors)):
        name = f"{stem}-0000{i + 1}-of-00002.{suffix}"
        write(part, f"{directory}/{name}")
        where |= dict.fromkeys(part, name)
    size = sum(v.numel() * v.element_size() for v in all_tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    write_json(f"{directory}/{stem}.{suffix}.index.json", index)


def generation(directory, end, pad):
    write_json(
        f"{directory}/generation_config.json",
        {
            "_from_model_config": True,
            "bos_token_id": end,
            "eos_token_id": end,
            "pad_token_id": pad,
            "transformers_version": "4.37.0",
        },
    )


def start(name, kind="CodeGenTokenizer", added=("\t\t", "   ", "  ", "<|extra_0|>")):
    """A directory with its tokenizer; the last token that is added pads."""
    pad = added[-1]
    os.makedirs(name)
    rows, end, pad_id = write_tokenizer(name, kind, added, pad)
    generation(name, end, pad_id)
    return rows, end, pad_id


def stage3_phi(eye, processor):
    name = "llavaphi-2.7b-medmoe"
    rows, end, pad = start(name)
    mixture = {"top": 1, "meta": True, "bias": True}
    model, through = decoder("phi", rows, mixture), projector()
    compute("phi", name, model, eye, processor, through, True)
    tower = "/data/models/clip-vit-tiny-patch6-18"
    write_json(f"{name}/config.json", config("phi", mixture, rows, end, pad, tower, "pad"))
    write = lambda part, path: save_file(part, path, {"format": "pt"})
    shards(name, tensors(model, through, eye), "model", "safetensors", write)
    write_json(f"{name}/trainer_state.json", {"epoch": 9.0})


def stage3_stablelm():
    name = "llavastablelm-1.6b-medmoe"
    added = ("<|fim_prefix|>", "<|reg0|>")
    rows, end, pad = start(name, "GPT2Tokenizer", added)
    rows += 3  # the published table has rows without tokens
    mixture = {"top": 1, "meta": True, "bias": True}
    model, through = decoder("stablelm", rows, mixture), projector()
    first = model.model.layers[0].mlp.deepspeed_moe.gate.wg
    model.model.layers[2].mlp.deepspeed_moe.gate.wg.load_state_dict(first.state_dict())
    eye, processor = siglip()
    compute("stablelm", name, model, eye, processor, through, True)
    tower = "/data/models/siglip-tiny"
    wanted = config("stablelm", mixture, rows, end, pad, tower, "pad")
    write_json(f"{name}/config.json", wanted)
    router = {"fc1." + key: value.float() for key, value in first.state_dict().items()}
    torch.save(router, f"{name}/stablelm_router.pth")
    found = tensors(model, through, None)
    found = {key: value for key, value in found.items() if ".gate.wg." not in key}
    shards(name, found, "pytorch_model", "bin", torch.save)
    tower_directory("siglip-tiny", eye, processor)


def stage1_phi(eye, processor):
    name = "llavaphi-2.7b-stage1"
    rows, end, pad = start("phi-2")
    model, through = decoder("phi", rows, None), projector()
    os.makedirs(name)
    compute("stage1", "phi-2", model, eye, processor, through, False)
    tower = "openai/clip-vit-tiny-patch6-18"
    write_json(f"{name}/config.json", config("phi", None, rows, end, pad, tower, "square"))
    alone = {PROJECTOR + key: value.bfloat16() for key, value in through.state_dict().items()}
    torch.save(alone, f"{name}/mm_projector.bin")
    language = tensors(model, None, None)
    # The published Phi-2 has one; a Med-MoE has not, and does not compute with it.
    language["lm_head.bias"] = torch.full([rows], 7.0).bfloat16()
    save_file(language, "phi-2/model.safetensors", {"format": "pt"})
    published = model.config.to_dict() | {"dtype": "bfloat16", "eos_token_id": end}
    write_json("phi-2/config.json", published)


def tinymed(eye, processor):
    name = "tinymed-phi2"
    rows, end, pad = start(name)
    mixture = {"top": 2, "meta": False, "bias": False}
    model, through = decoder("phi", rows, mixture), projector()
    compute("tinymed", name, model, eye, processor, through, False)
    wanted = config("phi", mixture, rows, end, pad, "clip-vit-tiny-patch6-18", "square")
    wanted["moe"]["router_aux_loss_coef"] = 0.01
    write_json(f"{name}/config.json", wanted)
    torch.save(tensors(model, through, eye), f"{name}/pytorch_model.bin")


def main():
    for name in os.listdir("."):
        if os.path.isdir(name):
            shutil.rmtree(name)
    picture().save("picture.png")
    eye, processor = clip()
    tower_directory("clip-vit-tiny-patch6-18", eye, processor)
    stage3_phi(eye, processor)
    stage3_stablelm()
    stage1_phi(eye, processor)
    tinymed(eye, processor)
    save_file(reference, "reference.safetensors")


main()
