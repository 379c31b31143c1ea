"""The family "rows" of `bench performance` in libtorch.

    python rows.py rows.pt

writes the committed TorchScript file (torch 2.13 wrote it). Inputs of the norms: x, r, w, b, mean, rstd, then
memory for results.
"""
import sys
from typing import List

import torch
from torch import Tensor


class Rows(torch.nn.Module):
    def forward(self, t: Tensor) -> Tensor:
        return t

    @torch.jit.export
    def layer_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [torch.layer_norm(t[0], [t[0].size(1)], t[2], t[3], 1e-5)]

    @torch.jit.export
    def rms_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        return [torch.rms_norm(t[0], [t[0].size(1)], t[2], 1e-5)]

    @torch.jit.export
    def add_layer_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        torch.add(t[0], t[1], out=t[7])
        return [t[7], torch.layer_norm(t[7], [t[0].size(1)], t[2], t[3], 1e-5)]

    @torch.jit.export
    def add_rms_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        torch.add(t[0], t[1], out=t[7])
        return [t[7], torch.rms_norm(t[7], [t[0].size(1)], t[2], 1e-5)]

    @torch.jit.export
    def layer_norm_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """Of x, w and b for r as the arriving gradient."""
        rows = t[0].size(0)
        dx, dw, db = torch.ops.aten.native_layer_norm_backward(
            t[1], t[0], [t[0].size(1)], t[4].view(rows, 1), t[5].view(rows, 1), t[2], t[3], [True, True, True]
        )
        return [dx, dw, db]

    @torch.jit.export
    def softmax(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        torch.softmax(t[0], -1, out=t[6])
        return [t[6]]

    @torch.jit.export
    def cross_entropy(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """Losses, and the gradient of their mean: log_softmax and nll_loss, forward and backward."""
        logs = torch.ops.aten._log_softmax(t[0], -1, False)
        losses, weight = torch.ops.aten.nll_loss_forward(logs, t[1], None, 0, -100)
        grad = torch.full_like(losses, 1.0 / t[0].size(0))
        d = torch.ops.aten.nll_loss_backward(grad, logs, t[1], None, 0, -100, weight)
        return [losses, torch.ops.aten._log_softmax_backward_data(d, logs, -1, torch.float32)]

    @torch.jit.export
    def adamw(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """The results come from the lists that it changes: else TorchScript takes it for unused."""
        step = torch.tensor(5.0)
        p, m, v = [t[0]], [t[2]], [t[3]]
        torch.ops.aten._fused_adamw_(
            p, [t[1]], m, v, [], [step], lr=0.1, beta1=0.9, beta2=0.999, weight_decay=0.01, eps=1e-8,
            amsgrad=False, maximize=False
        )
        return p + m + v


if __name__ == "__main__":
    torch.jit.script(Rows()).save(sys.argv[1])
