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
    def nn(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """a [M, K], b [K, N], c [M, N]: c = a b into memory that is there."""
        torch.mm(t[0], t[1], out=t[2])
        return [t[2]]

    @torch.jit.export
    def nt(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """a [M, K], b [N, K]: c = a b^T."""
        torch.mm(t[0], t[1].t(), out=t[2])
        return [t[2]]

    @torch.jit.export
    def tn(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """a [K, M], b [K, N]: c = a^T b."""
        torch.mm(t[0].t(), t[1], out=t[2])
        return [t[2]]

    @torch.jit.export
    def nt_bf16(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """As nt with b in bf16: libtorch multiplies in bf16 throughout."""
        return [torch.mm(t[0].to(torch.bfloat16), t[1].t())]


if __name__ == "__main__":
    torch.jit.script(Gemm()).save(sys.argv[1])
