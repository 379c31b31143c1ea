"""Writes NAME.json (config.json), NAME.safetensors: small random models of transformers, each with
options of its family, what they compute, the gradients of every parameter, and what they generate.

Needs torch 2.13.0, transformers 5.18.0 and safetensors; run it in this directory. Weights are
random and rounded to BF16 where they are stored; the models compute with the rounded values in F64
(norms of the Llama family too, which transformers would do in F32). Rotary frequencies and angles
stay in F32 there. Results are stored as F32. Seeds are tried, from one known to do, until no
generated token, of 64, was chosen by a narrow margin.
"""

import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers import LlamaConfig, MistralConfig, PhiConfig, Qwen2Config, StableLmConfig

VOCABULARY, LENGTHS, NEW = 37, (11, 7), 64
MARGIN = 0.02


def norm64(self, x):
    return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)


def build(config, seed):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in model.named_parameters():
            scale = 0.5 if "norm" not in key else 0.2
            noise = torch.randn(value.shape, generator=generator) * scale
            one = 1 if "norm" in key and key.endswith("weight") else 0
            value.copy_((noise + one).bfloat16())
    for module in model.modules():
        if module.__class__.__name__.endswith("RMSNorm"):
            module.forward = norm64.__get__(module)
    return model


def batch(seed):
    """Two rows, the second filled up on the left."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, VOCABULARY, (2, max(LENGTHS)), generator=generator)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        mask[row, max(LENGTHS) - length :] = 1
    labels = torch.where(mask == 1, ids, -100)
    labels[0, :3] = -100
    labels[1, max(LENGTHS) - LENGTHS[1]] = -100  # else predicted from filling
    return ids, mask, labels


def generate(model, ids, mask, **more):
    settings = dict(max_new_tokens=NEW, do_sample=False, pad_token_id=0, eos_token_id=None)
    return model.generate(
        ids,
        attention_mask=mask,
        generation_config=GenerationConfig(**settings | more),
        output_logits=True,
        output_scores=True,
        return_dict_in_generate=True,
    )


def margin(logits):
    smallest = float("inf")
    for step in logits:
        best = step.topk(2, dim=-1).values
        smallest = min(smallest, (best[:, 0] - best[:, 1]).min().item())
    return smallest


def write(name, first, config):
    for seed in range(first, 10000):
        model = build(config, seed)
        ids, mask, labels = batch(seed)
        if config.pad_token_id is not None:
            ids[0, 4] = config.pad_token_id % VOCABULARY  # its vector gets no gradient, where it stands too
        new = generate(model, ids, mask)
        varied = len(set(new.sequences[0, max(LENGTHS) :].tolist()))
        if margin(new.logits) > MARGIN and varied > 5:
            break
    else:
        raise SystemExit(f"{name}: every seed has a narrow margin")
    # Alone: transformers penalises what stands in filling.
    alone = [ids[:1], ids[1:, max(LENGTHS) - LENGTHS[1] :]]
    settings = dict(repetition_penalty=1.3, max_new_tokens=24)
    penalised = [generate(model, row, torch.ones_like(row), **settings) for row in alone]
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    moved = positions + 3
    result = model(input_ids=ids, attention_mask=mask, labels=labels, output_hidden_states=True)
    shifted = model(input_ids=ids, attention_mask=mask, position_ids=moved)
    model.zero_grad()
    result.loss.backward()
    out = {k: v.bfloat16() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        del out["lm_head.weight"]
    weights = {f"weights.{k}": v.detach().clone() for k, v in out.items()}
    out = {
        "ids": ids,
        "mask": mask,
        "labels": labels,
        "positions": moved,
        "logits": result.logits.float(),
        "logits.moved": shifted.logits.float(),
        "loss": result.loss.float().reshape(1),
        "generated": new.sequences[:, max(LENGTHS) :],
        "penalised": torch.stack([p.sequences[0, -24:] for p in penalised]),
    }
    out |= {f"states.{i}": h.float() for i, h in enumerate(result.hidden_states)}
    out |= {f"gradients.{k}": p.grad.float() for k, p in model.named_parameters()}
    out = weights | out
    save_file({k: v.detach().contiguous() for k, v in out.items()}, f"{name}.safetensors")
    model.config.save_pretrained(folder := tempfile.mkdtemp())
    text = json.loads(pathlib.Path(f"{folder}/config.json").read_text())
    text["dtype"] = "bfloat16"
    pathlib.Path(f"{name}.json").write_text(json.dumps(text, indent=2) + "\n")
    size = pathlib.Path(f"{name}.safetensors").stat().st_size
    narrow = min(margin(new.logits), *(margin(p.scores) for p in penalised))
    print(name, "seed", seed, "margin", narrow, "loss", result.loss.item(), size, "bytes")


def common(**more):
    return dict(
        vocab_size=VOCABULARY,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    ) | more


def rope(kind, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=1000.0, **more))


if __name__ == "__main__":
    # Names to make; all without any.
    chosen, make = sys.argv[1:], write
    write = lambda name, first, config: make(name, first, config) if not chosen or name in chosen else None
    phi = lambda **m: PhiConfig(**common(**m))
    stablelm = lambda **m: StableLmConfig(**common(num_key_value_heads=4) | m)
    llama = lambda **m: LlamaConfig(**common(**m))
    mistral = lambda **m: MistralConfig(**common(num_key_value_heads=2) | m)
    qwen2 = lambda **m: Qwen2Config(**common(num_key_value_heads=4) | m)
    write("phi", 4, phi(partial_rotary_factor=0.4, resid_pdrop=0.1))
    write(
        "phi-options",
        51,
        phi(
            qk_layernorm=True,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            hidden_act="gelu",
            layer_norm_eps=1e-3,
            rope_theta=500.0,
            partial_rotary_factor=0.7,
        ),
    )
    write("stablelm", 22, stablelm(use_qkv_bias=True, partial_rotary_factor=0.34))
    write(
        "stablelm-options",
        26,
        stablelm(
            num_key_value_heads=2,
            qk_layernorm=True,
            use_parallel_residual=True,
            tie_word_embeddings=True,
            hidden_act="gelu_new",
            layer_norm_eps=1e-3,
            partial_rotary_factor=0.7,
        ),
    )
    write("llama", 0, llama(num_key_value_heads=2))
    write(
        "llama-options",
        3,
        llama(
            num_key_value_heads=1,
            head_dim=10,
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=True,
            hidden_act="gelu",
            rms_norm_eps=1e-3,
            rope_theta=500.0,
        ),
    )
    write("llama-linear", 17, llama(**rope("linear", factor=4.0)))
    write("llama-dynamic", 8, llama(max_position_embeddings=16, **rope("dynamic", factor=6.0)))
    write(
        "llama-llama3",
        3,
        llama(
            head_dim=16,
            **rope(
                "llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=32,
            ),
        ),
    )
    write("mistral", 32, mistral(sliding_window=None, head_dim=8))
    write("mistral-window", 0, mistral(sliding_window=5))
    write("qwen2", 2, qwen2())
    write(
        "qwen2-options",
        3,
        qwen2(
            num_hidden_layers=3,
            num_key_value_heads=2,
            use_sliding_window=True,
            sliding_window=6,
            max_window_layers=1,
            tie_word_embeddings=True,
            hidden_act="relu",
            head_dim=8,
        ),
    )
    write(
        "qwen2-yarn",
        7,
        qwen2(
            head_dim=16,
            **rope("yarn", factor=4.0, original_max_position_embeddings=32),
        ),
    )
    # The prompt is short, the whole text long, and so is the prompt when its positions are moved.
    write(
        "llama-longrope",
        2,
        llama(
            head_dim=16,
            **rope(
                "longrope",
                short_factor=[1.0, 1.1, 1.2, 1.4, 1.6, 1.9, 2.3, 2.8],
                long_factor=[1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 9.0],
                original_max_position_embeddings=12,
            ),
        ),
    )
    write(
        "llama-proportional",
        1,
        llama(
            head_dim=16,
            pad_token_id=7,
            **rope("proportional", factor=2.0, partial_rotary_factor=0.6),
        ),
    )
    write(
        "stablelm-yarn",
        20,
        stablelm(
            pad_token_id=-9,
            **rope(
                "yarn",
                factor=4.0,
                partial_rotary_factor=0.7,
                original_max_position_embeddings=32,
                mscale=0.8,
                mscale_all_dim=0.5,
                beta_fast=4.0,
            ),
        ),
    )
    write("phi-linear", 8, phi(**rope("linear", factor=2.0, partial_rotary_factor=0.7)))
