"""Conversions that the Deep Java Library lacks.

    python tensors.py tensors.pt

writes the committed TorchScript file (torch 2.13 wrote it).
"""
import sys

import torch
from torch import Tensor


class Tensors(torch.nn.Module):
    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def half(self, t: Tensor) -> Tensor:
        return t.to(torch.bfloat16)

    @torch.jit.export
    def wide(self, t: Tensor) -> Tensor:
        return t.to(torch.float32).contiguous()


if __name__ == "__main__":
    torch.jit.script(Tensors()).save(sys.argv[1])
