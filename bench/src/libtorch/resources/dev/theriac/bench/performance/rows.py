"""The family "rows" of `bench performance` in libtorch.

    python rows.py rows.pt

writes the committed TorchScript file (torch 2.13 wrote it). Inputs of the norms and of softmax: x, r, w, b, mean, rstd,
then memory for results; x, r, y and s are [R, rows, columns], and a call takes the R in turn, more than the caches hold.
Results are those of the last.

What can write into memory that is there does. The layer norm and its gradient cannot: native_layer_norm.out and
native_layer_norm_backward.out allocate their results as the plain forms do, and copy them then, which would cost more.
rms_norm has no such form. These allocate, as a PyTorch program does, and the allocator gives the same memory again. They
put their results into a list: else TorchScript might take all but the last for unused.
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
        y = [t[0]]
        for i in range(t[0].size(0)):
            y[0] = torch.layer_norm(t[0][i], [t[0].size(2)], t[2], t[3], 1e-5)
        return y

    @torch.jit.export
    def rms_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        y = [t[0]]
        for i in range(t[0].size(0)):
            y[0] = torch.rms_norm(t[0][i], [t[0].size(2)], t[2], 1e-5)
        return y

    @torch.jit.export
    def add_layer_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        y = [t[0]]
        for i in range(t[0].size(0)):
            torch.add(t[0][i], t[1][i], out=t[7][i])
            y[0] = torch.layer_norm(t[7][i], [t[0].size(2)], t[2], t[3], 1e-5)
        return [t[7][-1], y[0]]

    @torch.jit.export
    def add_rms_norm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        y = [t[0]]
        for i in range(t[0].size(0)):
            torch.add(t[0][i], t[1][i], out=t[7][i])
            y[0] = torch.rms_norm(t[7][i], [t[0].size(2)], t[2], 1e-5)
        return [t[7][-1], y[0]]

    @torch.jit.export
    def layer_norm_gradient(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """Of x, w and b for r as the arriving gradient."""
        rows = t[0].size(1)
        mean = t[4].view(rows, 1)
        rstd = t[5].view(rows, 1)
        all = [t[0], t[2], t[3]]
        for i in range(t[0].size(0)):
            dx, dw, db = torch.ops.aten.native_layer_norm_backward(
                t[1][i], t[0][i], [t[0].size(2)], mean, rstd, t[2], t[3], [True, True, True]
            )
            all[0], all[1], all[2] = dx, dw, db
        return all

    @torch.jit.export
    def softmax(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        for i in range(t[0].size(0)):
            torch.softmax(t[0][i], -1, out=t[6][i])
        return [t[6][-1]]

    @torch.jit.export
    def cross_entropy(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        """Losses, and the gradient of their mean: log_softmax and nll_loss, forward and backward. x, targets, d, losses,
        lse (ours alone), then memory for the logarithms, their gradient, the sum of weights and the losses' gradient."""
        x, targets, d, losses, logs, dlogs, weight, grad = t[0], t[1], t[2], t[3], t[5], t[6], t[7][0], t[8]
        torch.ops.aten._log_softmax(x, -1, False, out=logs)
        torch.ops.aten.nll_loss_forward(logs, targets, None, 0, -100, output=losses, total_weight=weight)
        grad.fill_(1.0 / x.size(0))
        torch.ops.aten.nll_loss_backward(grad, logs, targets, None, 0, -100, weight, grad_input=dlogs)
        torch.ops.aten._log_softmax_backward_data(dlogs, logs, -1, torch.float32, out=d)
        return [losses, d]

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
