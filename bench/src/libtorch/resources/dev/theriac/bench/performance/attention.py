"""The family "attention" of `bench performance` in libtorch.

    python attention.py attention.pt

writes the committed TorchScript file (torch 2.13 wrote it). Autograd does not work in the engine,
so the backward pass is the operator that it would run.
"""
import sys
from typing import List

import torch
from torch import Tensor


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.out: Tensor = torch.zeros(1, 1, 1, 1)
        self.log: Tensor = torch.zeros(1, 1, 1, 1)
        self.causal: int = -1

    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def attention(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """q [1, T, H, D], k and v [1, S, H, D]: out [1, T, H, D]."""
        q = t[0].transpose(1, 2)
        k = t[1].transpose(1, 2)
        v = t[2].transpose(1, 2)
        o = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=n[0] == 1)
        return [o.transpose(1, 2).contiguous()]

    @torch.jit.export
    def gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """q, k, v and the output's gradient: those of q, k and v. The forward pass runs once."""
        q = t[0].transpose(1, 2)
        k = t[1].transpose(1, 2)
        v = t[2].transpose(1, 2)
        g = t[3].transpose(1, 2)
        causal = n[0] == 1
        if self.causal != n[0] or self.out.size(2) != q.size(2) or self.out.size(3) != q.size(3):
            o, l = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal)
            self.out = o
            self.log = l
            self.causal = n[0]
        dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            g, q, k, v, self.out, self.log, 0.0, causal)
        return [
            dq.transpose(1, 2).contiguous(),
            dk.transpose(1, 2).contiguous(),
            dv.transpose(1, 2).contiguous(),
        ]


if __name__ == "__main__":
    torch.jit.script(Attention()).save(sys.argv[1])
