"""Writes optimizers.safetensors: parameters after each of 10 steps of PyTorch's optimisers.

Needs: safetensors 0.8.0, numpy, torch 2.13.0. Run in this folder. The start is a matrix [3, 17] and a
vector [129]; element i of the start is ((7 i mod 23) - 11) / 8, the gradient of step t at i is
((5 i + 3 t) mod 19 - 9) / 16 times (1 + t / 4). In "skip" the vector has no gradient in odd steps.
Gradients are clipped to a global norm of 2 in "clipped", whose norms are stored too.
"""

import numpy as np
import torch
from safetensors.torch import save_file

STEPS = 10


def start(*shape):
    i = np.arange(int(np.prod(shape)))
    return torch.tensor(((7 * i) % 23 - 11) / 8, dtype=torch.float32).reshape(shape)


def gradient(t, *shape):
    i = np.arange(int(np.prod(shape)))
    g = (((5 * i + 3 * t) % 19) - 9) / 16 * (1 + t / 4)
    return torch.tensor(g, dtype=torch.float32).reshape(shape)


out = {}


def run(name, make, skip=False, clip=None):
    matrix = torch.nn.Parameter(start(3, 17))
    vector = torch.nn.Parameter(start(129))
    optimizer, lr_factor = make(matrix, vector)
    bases = [g["lr"] for g in optimizer.param_groups]
    norms = []
    for t in range(STEPS):
        matrix.grad = gradient(t, 3, 17)
        vector.grad = None if skip and t % 2 == 1 else gradient(t, 129)
        if clip is not None:
            norms.append(torch.nn.utils.clip_grad_norm_([matrix, vector], clip))
        for g, base in zip(optimizer.param_groups, bases):
            g["lr"] = base * lr_factor(t)
        optimizer.step()
        out[f"{name}.{t}.matrix"] = matrix.detach().clone()
        out[f"{name}.{t}.vector"] = vector.detach().clone()
    if norms:
        out[f"{name}.norms"] = torch.stack(norms)


def adamw(matrix, vector):
    groups = [
        {"params": [matrix], "weight_decay": 0.1},
        {"params": [vector], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.05), lambda t: 1.0


def adamw_groups(matrix, vector):
    groups = [
        {"params": [matrix], "weight_decay": 0.1, "lr": 0.05},
        {"params": [vector], "weight_decay": 0.2, "lr": 0.01},
    ]
    return torch.optim.AdamW(groups, betas=(0.8, 0.99), eps=1e-6), lambda t: (t + 1) / STEPS


def sgd(matrix, vector):
    return torch.optim.SGD([matrix, vector], lr=0.05, momentum=0.9, weight_decay=0.01), lambda t: 1.0


run("adamw", adamw)
run("groups", adamw_groups)
run("skip", adamw, skip=True)
run("clipped", adamw, clip=2.0)
run("sgd", sgd)
run("plain", lambda m, v: (torch.optim.SGD([m, v], lr=0.05), lambda t: 1.0))
save_file(out, "optimizers.safetensors")
