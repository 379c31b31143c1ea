"""The family "gemv" of `bench performance` in libtorch.

    python gemv.py gemv.pt

writes the committed TorchScript file (torch 2.13 wrote it).
"""
import sys
from typing import List

import torch
from torch import Tensor


class Gemv(torch.nn.Module):
    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def f32(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """x [M, K], w [R, N, K], c [R, M, N]: c[i] = x w[i]^T into memory that is there."""
        for i in range(t[1].size(0)):
            torch.mm(t[0], t[1][i].t(), out=t[2][i])
        return [t[2]]

    @torch.jit.export
    def bf16(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """The same in bf16, results included, since libtorch does not mix types."""
        results: List[Tensor] = []
        for i in range(t[1].size(0)):
            results.append(torch.mm(t[0], t[1][i].t()))
        return [torch.stack(results).float()]


if __name__ == "__main__":
    torch.jit.script(Gemv()).save(sys.argv[1])
