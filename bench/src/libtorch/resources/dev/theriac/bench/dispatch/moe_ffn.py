"""The rival of `bench dispatch`: a mixture-of-experts feed-forward as one writes it with PyTorch.

    python moe_ffn.py moe_ffn.pt

writes the TorchScript file that LibtorchDispatch loads (torch 2.13 wrote the committed one).

It is a loop over the experts, one weight tensor for each, rows fetched with index_select and added
up with index_add_. The file holds code alone: load() is given the weights. Experts without rows are
passed over, activations work in place where no gradient needs them, and the routing is sorted once
for all experts.

gradients() writes out the products that autograd would issue, with the gradients of two uses of one
tensor added up in the second product. It is as fast as autograd or faster (moe_peer.py runs both),
and works where autograd's engine does not: called through JNI, libtorch 2.7.1 reads freed memory in
at::accelerator::getAccelerator, which every node of a backward pass asks.
"""
import sys
from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

SILU, GELU_TANH = 0, 1


class MoeFfn(torch.nn.Module):
    """One layer's experts; x is [T, d], ids I64 [T, k], weights [T, k]."""

    gate: List[Tensor]
    gate_bias: List[Tensor]
    up: List[Tensor]
    down: List[Tensor]
    down_bias: List[Tensor]
    activation: int
    m: List[Tensor]
    v: List[Tensor]
    steps: List[Tensor]

    def __init__(self):
        super().__init__()
        self.gate, self.gate_bias, self.up = [], [], []
        self.down, self.down_bias, self.activation = [], [], SILU
        self.m, self.v, self.steps = [], [], []

    @torch.jit.export
    def load(self, gate: List[Tensor], gate_bias: List[Tensor], up: List[Tensor],
             down: List[Tensor], down_bias: List[Tensor], activation: int, half: bool) -> int:
        """gate [n, d] (and up [n, d] of gated experts), down [d, n], one of each per expert; lists
        of what the experts do not have are empty. half makes them BF16."""
        if half:
            gate, gate_bias, up = self.halves(gate), self.halves(gate_bias), self.halves(up)
            down, down_bias = self.halves(down), self.halves(down_bias)
        self.gate, self.gate_bias, self.up = gate, gate_bias, up
        self.down, self.down_bias, self.activation = down, down_bias, activation
        return len(gate)

    def halves(self, tensors: List[Tensor]) -> List[Tensor]:
        return [t.to(torch.bfloat16) for t in tensors]

    @torch.jit.export
    def half(self, t: Tensor) -> Tensor:
        """BF16; DJL cannot ask for it."""
        return t.to(torch.bfloat16)

    @torch.jit.export
    def wide(self, t: Tensor) -> Tensor:
        return t.to(torch.float32)

    def sort(self, ids: Tensor) -> Tuple[Tensor, Tensor, List[int]]:
        """The slots by expert, their tokens, and the rows of each expert."""
        flat = ids.flatten()
        order = torch.argsort(flat, stable=True)
        counts: List[int] = torch.bincount(flat, minlength=len(self.gate)).tolist()
        return order, torch.div(order, ids.size(1), rounding_mode="floor"), counts

    def bias(self, biases: List[Tensor], e: int) -> Optional[Tensor]:
        result: Optional[Tensor] = None
        if len(biases) > 0:
            result = biases[e]
        return result

    def ffn(self, x: Tensor, ids: Tensor, weights: Tensor, training: bool) -> Tensor:
        order, tokens, counts = self.sort(ids)
        scale = weights.flatten().index_select(0, order).unsqueeze(1)
        out = torch.zeros_like(x)
        start = 0
        for e in range(len(self.gate)):
            rows = counts[e]
            if rows > 0:
                index = tokens.narrow(0, start, rows)
                u = x.index_select(0, index)
                z = F.linear(u, self.gate[e], self.bias(self.gate_bias, e))
                if self.activation == 0:
                    h = F.silu(z, inplace=not training)
                else:
                    h = F.gelu(z, approximate="tanh")
                if len(self.up) > 0:
                    v = F.linear(u, self.up[e])
                    h = h * v if training else h.mul_(v)
                y = F.linear(h, self.down[e], self.bias(self.down_bias, e))
                part = scale.narrow(0, start, rows)
                y = y * part if training else y.mul_(part)
                out.index_add_(0, index, y)
            start += rows
        return out

    def forward(self, x: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        """[T, d]."""
        with torch.no_grad():
            return self.ffn(x, ids, weights, False)

    @torch.jit.export
    def gradients(self, x: Tensor, ids: Tensor, weights: Tensor, g: Tensor) -> List[Tensor]:
        """Forward and backward: [out, dx, dweights], then the gradients of gate, gate_bias, up,
        down, down_bias, those of all experts together; zeros for experts without rows."""
        with torch.no_grad():
            order, tokens, counts = self.sort(ids)
            scale = weights.flatten().index_select(0, order).unsqueeze(1)
            out = torch.zeros_like(x)
            us: List[Tensor] = []
            zs: List[Tensor] = []
            ss: List[Tensor] = []
            vs: List[Tensor] = []
            hs: List[Tensor] = []
            ys: List[Tensor] = []
            start = 0
            for e in range(len(self.gate)):
                rows = counts[e]
                index = tokens.narrow(0, start, rows)
                u = x.index_select(0, index)
                z = F.linear(u, self.gate[e], self.bias(self.gate_bias, e))
                s = F.silu(z) if self.activation == 0 else F.gelu(z, approximate="tanh")
                h = s
                if len(self.up) > 0:
                    v = F.linear(u, self.up[e])
                    h = s * v
                    vs.append(v)
                y = F.linear(h, self.down[e], self.bias(self.down_bias, e))
                out.index_add_(0, index, y * scale.narrow(0, start, rows))
                us.append(u)
                zs.append(z)
                ss.append(s)
                hs.append(h)
                ys.append(y)
                start += rows
            dx = torch.zeros_like(x)
            dscale = torch.empty_like(scale).flatten()
            dgate: List[Tensor] = []
            dgate_bias: List[Tensor] = []
            dup: List[Tensor] = []
            ddown: List[Tensor] = []
            ddown_bias: List[Tensor] = []
            start = 0
            for e in range(len(self.gate)):
                rows = counts[e]
                index = tokens.narrow(0, start, rows)
                dy = g.index_select(0, index)
                dscale.narrow(0, start, rows).copy_((dy * ys[e]).sum(1))
                dy.mul_(scale.narrow(0, start, rows))
                ddown.append(dy.t().mm(hs[e]))
                if len(self.down_bias) > 0:
                    ddown_bias.append(dy.sum(0))
                dz = dy.mm(self.down[e])
                dv = dz
                if len(self.up) > 0:
                    dv = dz * ss[e]
                    dz.mul_(vs[e])
                if self.activation == 0:
                    dz = torch.ops.aten.silu_backward(dz, zs[e])
                else:
                    dz = torch.ops.aten.gelu_backward(dz, zs[e], approximate="tanh")
                dgate.append(dz.t().mm(us[e]))
                if len(self.gate_bias) > 0:
                    dgate_bias.append(dz.sum(0))
                du = dz.mm(self.gate[e])
                if len(self.up) > 0:
                    dup.append(dv.t().mm(us[e]))
                    du.addmm_(dv, self.up[e])
                dx.index_add_(0, index, du)
                start += rows
            dweights = torch.empty_like(weights).flatten().index_copy_(0, order, dscale)
            first = [out, dx, dweights.view_as(weights)]
            return first + dgate + dgate_bias + dup + ddown + ddown_bias

    @torch.jit.export
    def step(self, x: Tensor, ids: Tensor, weights: Tensor, g: Tensor) -> List[Tensor]:
        """gradients(), and one step of AdamW in place, by the fused kernel."""
        grads = self.gradients(x, ids, weights, g)
        with torch.no_grad():
            parameters = self.gate + self.gate_bias + self.up + self.down + self.down_bias
            if len(self.m) == 0:
                for p in parameters:
                    self.m.append(torch.zeros_like(p))
                    self.v.append(torch.zeros_like(p))
                    self.steps.append(torch.zeros(1))
            for s in self.steps:
                s.add_(1)
            torch._fused_adamw_(parameters, grads[3:], self.m, self.v, [], self.steps, lr=1e-9,
                                beta1=0.9, beta2=0.999, weight_decay=0.01, eps=1e-8, amsgrad=False,
                                maximize=False)
        return grads

    @torch.jit.export
    def route(self, x: Tensor, router: Tensor, k: int) -> Tuple[Tensor, Tensor]:
        """Softmax over all experts, then the k largest: ids and weights [T, k]."""
        with torch.no_grad():
            top = torch.topk(F.softmax(F.linear(x, router), dim=1), k, dim=1)
            return top[1], top[0]


if __name__ == "__main__":
    torch.jit.script(MoeFfn()).save(sys.argv[1])
