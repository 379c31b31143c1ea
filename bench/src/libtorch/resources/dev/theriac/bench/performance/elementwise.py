"""The family "elementwise" of `bench performance` in libtorch.

    python elementwise.py elementwise.pt

writes the committed TorchScript file (torch 2.13 wrote it).
"""
import sys
from typing import List

import torch
from torch import Tensor


class Elementwise(torch.nn.Module):
    """Tensors are [R, rows, columns]: a call takes R pairs or triples in turn, more than the caches hold. Everything is
    written into memory that is there. Results are those of the last."""

    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def add(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.add(t[0][i], t[1][i], out=t[2][i])
        return [t[2][-1]]

    @torch.jit.export
    def exp(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.exp(t[0][i], out=t[1][i])
        return [t[1][-1]]

    @torch.jit.export
    def silu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.ops.aten.silu(t[0][i], out=t[1][i])
        return [t[1][-1]]

    @torch.jit.export
    def gelu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.ops.aten.gelu(t[0][i], approximate="none", out=t[1][i])
        return [t[1][-1]]

    @torch.jit.export
    def gelu_tanh(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.ops.aten.gelu(t[0][i], approximate="tanh", out=t[1][i])
        return [t[1][-1]]

    @torch.jit.export
    def swiglu(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.ops.aten.silu(t[0][i], out=t[2][i])
            torch.mul(t[2][i], t[1][i], out=t[2][i])
        return [t[2][-1]]

    @torch.jit.export
    def gelu_tanh_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.ops.aten.gelu_backward(t[1][i], t[0][i], approximate="tanh", grad_input=t[2][i])
        return [t[2][-1]]

    @torch.jit.export
    def swiglu_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """x, y, g: the gradients of silu(x) y."""
        for i in range(t[0].size(0)):
            torch.mul(t[2][i], t[1][i], out=t[3][i])
            torch.ops.aten.silu_backward(t[3][i], t[0][i], grad_input=t[3][i])
            torch.ops.aten.silu(t[0][i], out=t[4][i])
            torch.mul(t[2][i], t[4][i], out=t[4][i])
        return [t[3][-1], t[4][-1]]

    @torch.jit.export
    def transpose(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            t[1][i].copy_(t[0][i].t())
        return [t[1][-1]]


if __name__ == "__main__":
    torch.jit.script(Elementwise()).save(sys.argv[1])
