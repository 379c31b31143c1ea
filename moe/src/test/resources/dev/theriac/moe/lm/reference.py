"""Writes mixtral, qwen2_moe and olmoe, and each with other options (.safetensors and .json): small
random models of transformers, their losses, the gradients of every parameter, and what they generate.

Needs torch 2.13.0, transformers 5.18.0, safetensors and numpy; run it in this directory. Weights
are random and rounded to BF16 where they are stored; the models compute with the rounded values in
F64 (norms too, which transformers would do in F32; router softmax, cross-entropy and the
load-balance loss stay in F32 there). Results are stored as F32. Names are those of a checkpoint on
disk, for gradients too. Seeds are tried until no router chooses by a narrow margin and the model
itself loses little in F32.
"""

import copy
import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    MixtralConfig,
    MixtralForCausalLM,
    OlmoeConfig,
    OlmoeForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

VOCABULARY, DIM, LENGTHS, NEW = 29, 16, (9, 6), 7
MARGIN, ROUNDING = 0.03, 2e-6


def norm64(self, x):
    return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)


def on_disk(model):
    """The parameters under the names that a checkpoint gives them."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(f"{folder}/model.safetensors")


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in model.named_parameters():
            scale = 1.0 if "mlp.gate." in key else 0.35
            noise = torch.randn(value.shape, generator=generator) * scale
            value.copy_((noise + (1 if "norm" in key else 0)).bfloat16())
    return model.double()


def margin(logits, k):
    """The smallest distance between the last chosen and the first not chosen."""
    smallest = float("inf")
    for layer in logits:
        ranked = layer.sort(dim=-1, descending=True).values
        smallest = min(smallest, (ranked[:, k - 1] - ranked[:, k]).min().item())
    return smallest


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, VOCABULARY, (2, max(LENGTHS)), generator=generator)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
        ids[row, length:] = 0
    labels = torch.where(mask == 1, ids, -100)
    labels[0, :3] = -100
    return ids, mask, labels


def write(name, kind, config):
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    for seed in range(10000):
        model = randomise(kind(config), seed).eval()
        for module in model.modules():
            if module.__class__.__name__.endswith("RMSNorm"):
                module.forward = norm64.__get__(module)
        ids, mask, labels = batch(seed)
        if config.pad_token_id is not None:
            ids[0, 4] = config.pad_token_id % VOCABULARY  # its vector gets no gradient, where it stands too
        result = model(input_ids=ids, attention_mask=mask, labels=labels, output_router_logits=True)
        single = copy.deepcopy(model).float()(input_ids=ids, attention_mask=mask).logits
        rounding = ((single - result.logits).abs()[mask == 1].max() / result.logits.abs().max()).item()
        if margin(result.router_logits, config.num_experts_per_tok) > MARGIN and rounding < ROUNDING:
            break
    else:
        raise SystemExit(f"{name}: every seed has a narrow margin")
    result.loss.backward()
    out = {f"weights.{k}": v.bfloat16() for k, v in on_disk(model).items()}
    out |= {
        "ids": ids,
        "labels": labels,
        "lengths": torch.tensor(LENGTHS),
        "logits": result.logits.float(),
        "loss": result.loss.float().reshape(1),
        "auxiliary": result.aux_loss.float().reshape(1),
    }
    gradients = copy.deepcopy(model)
    with torch.no_grad():
        for (_, to), (_, of) in zip(gradients.named_parameters(), model.named_parameters()):
            to.copy_(of.grad)
    out |= {f"gradients.{k}": v.float() for k, v in on_disk(gradients).items()}
    for row, length in enumerate(LENGTHS):
        new = model.generate(
            ids[row : row + 1, :length],
            attention_mask=torch.ones(1, length, dtype=torch.long),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
        )
        out[f"generated.{row}"] = new[0, length:].contiguous()
        print(name, "generates", new[0, length:].tolist())
    save_file({k: v.detach().contiguous() for k, v in out.items()}, f"{name}.safetensors")
    model.float().config.save_pretrained(folder := tempfile.mkdtemp())
    text = json.loads(pathlib.Path(f"{folder}/config.json").read_text())
    text["dtype"] = "float32"
    pathlib.Path(f"{name}.json").write_text(json.dumps(text, indent=2) + "\n")
    narrowest = margin(result.router_logits, config.num_experts_per_tok)
    print(name, "seed", seed, "margin", narrowest, "loss", result.loss.item(), "auxiliary", result.aux_loss.item())


common = dict(
    vocab_size=VOCABULARY,
    hidden_size=DIM,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    attn_implementation="eager",
    experts_implementation="eager",
    router_aux_loss_coef=0.1,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
write(
    "mixtral",
    MixtralForCausalLM,
    MixtralConfig(
        intermediate_size=12,
        num_hidden_layers=2,
        head_dim=6,
        num_local_experts=5,
        num_experts_per_tok=2,
        **common,
    ),
)
write(
    "qwen2_moe",
    Qwen2MoeForCausalLM,
    Qwen2MoeConfig(
        intermediate_size=20,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=12,
        num_hidden_layers=3,
        mlp_only_layers=[1],
        num_experts=6,
        num_experts_per_tok=3,
        norm_topk_prob=True,
        **common,
    ),
)
write(
    "olmoe",
    OlmoeForCausalLM,
    OlmoeConfig(
        intermediate_size=8,
        num_hidden_layers=2,
        num_experts=8,
        num_experts_per_tok=4,
        **common,
    ),
)
write(
    "mixtral-options",
    MixtralForCausalLM,
    MixtralConfig(
        intermediate_size=12,
        num_hidden_layers=2,
        num_local_experts=5,
        num_experts_per_tok=1,
        head_dim=4,
        sliding_window=4,
        hidden_act="gelu",
        tie_word_embeddings=True,
        rope_parameters=dict(rope_type="yarn", rope_theta=1e3, factor=4.0, original_max_position_embeddings=16),
        **common | dict(pad_token_id=3),
    ),
)
write(
    "qwen2_moe-options",
    Qwen2MoeForCausalLM,
    Qwen2MoeConfig(
        intermediate_size=20,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=12,
        num_hidden_layers=4,
        decoder_sparse_step=2,
        num_experts=6,
        num_experts_per_tok=3,
        use_sliding_window=True,
        sliding_window=4,
        max_window_layers=2,
        qkv_bias=False,
        hidden_act="relu",
        rope_parameters=dict(rope_type="linear", rope_theta=1e3, factor=2.0),
        **common,
    ),
)
write(
    "olmoe-options",
    OlmoeForCausalLM,
    OlmoeConfig(
        intermediate_size=8,
        num_hidden_layers=2,
        num_experts=8,
        num_experts_per_tok=4,
        norm_topk_prob=True,
        attention_bias=True,
        clip_qkv=0.7,
        hidden_act="gelu_new",
        rope_parameters=dict(
            rope_type="llama3",
            rope_theta=1e3,
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=16,
        ),
        **common | dict(pad_token_id=None),
    ),
)
