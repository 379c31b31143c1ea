"""The family "elementwise" of `bench performance` in libtorch.

    python elementwise.py elementwise.pt

writes the committed TorchScript file (torch 2.13 wrote it).
"""
import sys
from typing import List

import torch
import torch.nn.functional as F
from torch import Tensor


class Elementwise(torch.nn.Module):
    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def add(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        torch.add(t[0], t[1], out=t[2])
        return [t[2]]

    @torch.jit.export
    def exp(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        torch.exp(t[0], out=t[1])
        return [t[1]]

    @torch.jit.export
    def silu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [F.silu(t[0])]

    @torch.jit.export
    def gelu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [F.gelu(t[0])]

    @torch.jit.export
    def gelu_tanh(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [F.gelu(t[0], approximate="tanh")]

    @torch.jit.export
    def swiglu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [F.silu(t[0]) * t[1]]

    @torch.jit.export
    def gelu_tanh_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [torch.ops.aten.gelu_backward(t[1], t[0], approximate="tanh")]

    @torch.jit.export
    def swiglu_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """x, y, g: the gradients of silu(x) y."""
        gate = torch.ops.aten.silu_backward(t[2] * t[1], t[0])
        return [gate, t[2] * F.silu(t[0])]

    @torch.jit.export
    def transpose(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        t[1].copy_(t[0].t())
        return [t[1]]


if __name__ == "__main__":
    torch.jit.script(Elementwise()).save(sys.argv[1])
