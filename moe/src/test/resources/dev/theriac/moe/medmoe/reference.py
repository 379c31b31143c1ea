"""Writes reference.safetensors: small random models of transformers, and what they compute.

Needs torch 2.13.0, transformers 5.18.0, safetensors and numpy; run it in this directory.
Weights and inputs are random and rounded to BF16 where they are stored, so that the file stays
small; the models compute with the rounded values, in F64, and results are stored as F32.
"""

import torch
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    PhiConfig,
    PhiForCausalLM,
    StableLmConfig,
    StableLmForCausalLM,
)

VOCABULARY, DIM, INNER, LAYERS, HEADS = 37, 24, 56, 3, 3
out = {}


def randomise(model, name):
    """Random weights everywhere, norms and biases too, so that none of them is a no-op."""
    generator = torch.Generator().manual_seed(len(name))
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or key.endswith("inv_freq"):
            continue
        noise = torch.randn(value.shape, generator=generator) * 0.25
        is_norm = key.endswith("weight") and value.dim() == 1 and "class" not in key
        rounded = (noise + (1 if is_norm else 0)).bfloat16()
        if key == "lm_head.bias":  # Med-MoE's head has none
            rounded = torch.zeros_like(rounded)
        else:
            out[f"{name}.weights.{key}"] = rounded
        value.copy_(rounded)
    return model.double().eval()


def decoder(name, model):
    randomise(model, name)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 11, DIM, generator=generator).bfloat16()
    # The second row is shorter; what follows its end must not matter.
    mask = torch.ones(2, 11, dtype=torch.long)
    mask[1, 7:] = 0
    result = model(inputs_embeds=x.double(), attention_mask=mask, output_hidden_states=True)
    out[f"{name}.input"] = x
    out[f"{name}.logits"] = result.logits.float().contiguous()
    for i, state in enumerate(result.hidden_states):
        out[f"{name}.hidden.{i}"] = state.float().contiguous()


with torch.no_grad():
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=DIM,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            image_size=18,
            patch_size=6,
            hidden_act="quick_gelu",
            attn_implementation="eager",
        )
    )
    randomise(vision, "vision")
    images = torch.randn(2, 3, 18, 18, generator=torch.Generator().manual_seed(2)).bfloat16()
    result = vision(pixel_values=images.double(), output_hidden_states=True)
    out["vision.input"] = images
    out["vision.pooled"] = result.pooler_output.float().contiguous()
    for i, state in enumerate(result.hidden_states):
        out[f"vision.hidden.{i}"] = state.float().contiguous()

    common = dict(
        vocab_size=VOCABULARY,
        hidden_size=DIM,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=64,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
        },
        attn_implementation="eager",
    )
    decoder("phi", PhiForCausalLM(PhiConfig(**common)))
    decoder("stablelm", StableLmForCausalLM(StableLmConfig(use_qkv_bias=True, **common)))

save_file(out, "reference.safetensors", metadata={"format": "pt"})
