"""The family "gemm" of `bench performance` in libtorch.

    python gemm.py gemm.pt

writes the committed TorchScript file (torch 2.13 wrote it).
"""
import sys
from typing import List

import torch
from torch import Tensor


class Gemm(torch.nn.Module):
    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def nt(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """a [M, K], b [N, K], c [M, N]: c = a b^T into memory that is there."""
        torch.mm(t[0], t[1].t(), out=t[2])
        return [t[2]]


if __name__ == "__main__":
    torch.jit.script(Gemm()).save(sys.argv[1])
