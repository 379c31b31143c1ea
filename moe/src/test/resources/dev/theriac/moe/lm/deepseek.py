"""Writes deepseek_v2.safetensors and deepseek_v3.safetensors: one small random MoE block of each,
its output, its routing weights, and the gradients of its input and parameters.

Needs torch 2.13.0, transformers 5.18.0, safetensors and numpy; run it in this directory. Weights
and input are random and rounded to BF16 where they are stored; the blocks compute with the rounded
values in F64, but for the routers, which transformers keeps in F32. Results are stored as F32.
Names are those of a checkpoint on disk, below the layer's "mlp.". Seeds are tried until no choice,
of groups or of experts, is by a narrow margin.
"""

import torch
from safetensors.torch import save_file
from transformers import DeepseekV2Config, DeepseekV3Config
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

DIM, TOKENS, EXPERTS, GROUPS, KEPT, TOP_K = 16, 13, 8, 4, 2, 3
MARGIN = 0.005
common = dict(
    hidden_size=DIM,
    num_attention_heads=4,
    num_key_value_heads=4,
    moe_intermediate_size=6,
    n_routed_experts=EXPERTS,
    n_shared_experts=2,
    num_experts_per_tok=TOP_K,
    n_group=GROUPS,
    topk_group=KEPT,
    experts_implementation="eager",
)


def random(generator, *shape, scale=1.0):
    return (torch.randn(*shape, generator=generator) * scale).bfloat16().double()


def gap(scores, k):
    ranked = scores.sort(dim=-1, descending=True).values
    return (ranked[:, k - 1] - ranked[:, k]).min().item()


def margin(scores, of_group):
    """The narrowest choice among groups, then among the experts of the groups kept."""
    each = scores.view(-1, GROUPS, EXPERTS // GROUPS)
    groups = of_group(each)
    kept = torch.zeros_like(groups).scatter(1, groups.topk(KEPT).indices, 1).bool()
    inside = each.masked_fill(~kept[..., None], float("-inf")).view(-1, EXPERTS)
    return min(gap(groups, KEPT), gap(inside, TOP_K))


def write(name, block, scores, of_group):
    for seed in range(10000):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for key, value in block.state_dict().items():
                value.copy_(random(generator, *value.shape, scale=0.3))
        x = random(generator, 1, TOKENS, DIM).requires_grad_()
        g = random(generator, 1, TOKENS, DIM)
        logits, weights, ids = block.gate(x)
        with torch.no_grad():
            narrowest = margin(scores(block, logits), of_group)
        if narrowest > MARGIN:
            break
    else:
        raise SystemExit(f"{name}: every seed has a narrow margin")
    block(x).backward(g)
    out = {
        "input": x.bfloat16(),
        "seed": g.bfloat16(),
        "output": block(x).float(),
        "routing": torch.zeros(TOKENS, EXPERTS).scatter(1, ids, weights.float()),
        "gradients.input": x.grad.float(),
    }
    for key, value in block.state_dict().items():
        out |= on_disk(f"weights.{key}", value.bfloat16())
    for key, value in block.named_parameters():
        out |= on_disk(f"gradients.{key}", value.grad.float())
    save_file({k: v.detach().contiguous() for k, v in out.items()}, f"{name}.safetensors")
    print(name, "seed", seed, "margin", narrowest)


def on_disk(key, value):
    """Experts one by one."""
    if key.endswith("experts.gate_up_proj"):
        stem = key.removesuffix("gate_up_proj")
        gate, up = value.chunk(2, dim=1)
        return {f"{stem}{e}.gate_proj.weight": t for e, t in enumerate(gate)} | {
            f"{stem}{e}.up_proj.weight": t for e, t in enumerate(up)
        }
    if key.endswith("experts.down_proj"):
        stem = key.removesuffix("down_proj")
        return {f"{stem}{e}.down_proj.weight": t for e, t in enumerate(value)}
    return {key: value}


write(
    "deepseek_v2",
    DeepseekV2Moe(
        DeepseekV2Config(topk_method="group_limited_greedy", routed_scaling_factor=3.0, **common)
    ).double(),
    lambda block, logits: logits.softmax(dim=-1),
    lambda each: each.max(dim=-1).values,
)
write(
    "deepseek_v3",
    DeepseekV3MoE(
        DeepseekV3Config(norm_topk_prob=True, routed_scaling_factor=2.5, **common)
    ).double(),
    lambda block, logits: logits.sigmoid() + block.gate.e_score_correction_bias,
    lambda each: each.sum(dim=-1),
)
