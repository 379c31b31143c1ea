"""The family "blocks" of `bench performance` in libtorch: decoder blocks of Phi-2 and StableLM-2.

    python blocks.py blocks.pt

writes the committed TorchScript file (torch 2.13 wrote it). Attention is scaled_dot_product_attention,
its flash kernel where gradients follow. The backward passes write out what autograd would issue: its
engine does not work through JNI in libtorch 2.7.1.
"""
import sys
from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Blocks(torch.nn.Module):
    """Inputs: x [T, d], g [8, d] (zero for later tokens), then weights in the order of BlocksFamily."""

    cos: Tensor
    sin: Tensor

    def __init__(self):
        super().__init__()
        self.cos, self.sin = torch.zeros(0), torch.zeros(0)

    def forward(self, t: Tensor) -> Tensor:
        return t

    def table(self, count: int, rotary: int):
        if self.cos.size(0) != count or self.cos.size(1) != rotary:
            exponents = torch.arange(0, rotary, 2, dtype=torch.float64) / rotary
            angles = torch.outer(torch.arange(count, dtype=torch.float64), 10000.0**-exponents)
            angles = torch.cat([angles, angles], 1)
            self.cos = angles.cos().to(torch.float32).unsqueeze(1)
            self.sin = angles.sin().to(torch.float32).unsqueeze(1)
            self.cos = self.cos.reshape(count, rotary)
            self.sin = self.sin.reshape(count, rotary)

    def rope(self, x: Tensor, rotary: int, sign: float) -> Tensor:
        """[T, H, D]"""
        part = x.narrow(2, 0, rotary)
        half = rotary // 2
        turned = torch.cat([-part.narrow(2, half, half), part.narrow(2, 0, half)], 2)
        out = part * self.cos.unsqueeze(1) + turned * (self.sin.unsqueeze(1) * sign)
        return torch.cat([out, x.narrow(2, rotary, x.size(2) - rotary)], 2)

    def heads(self, x: Tensor, w: Tensor, b: Tensor, n: List[int]) -> Tensor:
        return F.linear(x, w, b).view(x.size(0), n[0], -1)

    def query_key_value(self, u: Tensor, w: List[Tensor], n: List[int]) -> Tuple[Tensor, Tensor, Tensor]:
        """Each [1, H, T, D]; w are the three weights and biases in turn."""
        self.table(u.size(0), n[1])
        q = self.rope(self.heads(u, w[0], w[1], n), n[1], 1.0)
        k = self.rope(self.heads(u, w[2], w[3], n), n[1], 1.0)
        v = self.heads(u, w[4], w[5], n)
        return (q.transpose(0, 1).unsqueeze(0), k.transpose(0, 1).unsqueeze(0),
                v.transpose(0, 1).unsqueeze(0))

    def flat(self, a: Tensor) -> Tensor:
        return a.squeeze(0).transpose(0, 1).flatten(1)

    @torch.jit.export
    def phi(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        x = t[0]
        u = F.layer_norm(x, [x.size(1)], t[2], t[3], 1e-5)
        q, k, v = self.query_key_value(u, t[4:10], n)
        a = self.flat(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        y = x + F.linear(a, t[10], t[11])
        h = F.gelu(F.linear(u, t[12], t[13]), approximate="tanh")
        return [y + F.linear(h, t[14], t[15])]

    @torch.jit.export
    def stablelm(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        x = t[0]
        u = F.layer_norm(x, [x.size(1)], t[2], t[3], 1e-5)
        q, k, v = self.query_key_value(u, t[6:12], n)
        a = self.flat(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        x1 = x + F.linear(a, t[12])
        m = F.layer_norm(x1, [x.size(1)], t[4], t[5], 1e-5)
        h = F.silu(F.linear(m, t[13])) * F.linear(m, t[14])
        return [x1 + F.linear(h, t[15])]

    def attention_back(self, da: Tensor, q: Tensor, k: Tensor, v: Tensor, a: Tensor, lse: Tensor,
                       u: Tensor, w: List[Tensor], n: List[int]) -> Tuple[Tensor, List[Tensor]]:
        """The gradient of u, and those of the three weights and biases."""
        grad = da.view(da.size(0), n[0], -1).transpose(0, 1).unsqueeze(0)
        dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            grad, q, k, v, a, lse, 0.0, True)
        dq = self.rope(dq.squeeze(0).transpose(0, 1), n[1], -1.0).flatten(1)
        dk = self.rope(dk.squeeze(0).transpose(0, 1), n[1], -1.0).flatten(1)
        dv = dv.squeeze(0).transpose(0, 1).flatten(1)
        du = dq.mm(w[0])
        du.addmm_(dk, w[2])
        du.addmm_(dv, w[4])
        grads = [dq.t().mm(u), dq.sum(0), dk.t().mm(u), dk.sum(0), dv.t().mm(u), dv.sum(0)]
        return du, grads

    @torch.jit.export
    def phi_backward(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        x = t[0]
        d = x.size(1)
        u, mean, rstd = torch.native_layer_norm(x, [d], t[2], t[3], 1e-5)
        q, k, v = self.query_key_value(u, t[4:10], n)
        a, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, True)
        flat = self.flat(a)
        z = F.linear(u, t[12], t[13])
        h = F.gelu(z, approximate="tanh")
        y = x + F.linear(flat, t[10], t[11]) + F.linear(h, t[14], t[15])

        g = torch.zeros_like(x)
        g.narrow(0, 0, t[1].size(0)).copy_(t[1])
        dz = torch.ops.aten.gelu_backward(g.mm(t[14]), z, approximate="tanh")
        d_down, d_down_bias = g.t().mm(h), g.sum(0)
        d_first, d_first_bias = dz.t().mm(u), dz.sum(0)
        d_dense, d_dense_bias = g.t().mm(flat), g.sum(0)
        du, rest = self.attention_back(g.mm(t[10]), q, k, v, a, lse, u, t[4:10], n)
        du.addmm_(dz, t[12])
        dx, dw, db = torch.ops.aten.native_layer_norm_backward(
            du, x, [d], mean, rstd, t[2], t[3], [True, True, True])
        dx.add_(g)
        return ([y, dx, rest[0], rest[4], dw, d_first, d_down, db, d_first_bias, d_down_bias, d_dense,
                 d_dense_bias] + rest)

    @torch.jit.export
    def stablelm_backward(self, t: List[Tensor], n: List[int]) -> List[Tensor]:
        x = t[0]
        d = x.size(1)
        u, mean, rstd = torch.native_layer_norm(x, [d], t[2], t[3], 1e-5)
        q, k, v = self.query_key_value(u, t[6:12], n)
        a, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, True)
        flat = self.flat(a)
        x1 = x + F.linear(flat, t[12])
        m, mean1, rstd1 = torch.native_layer_norm(x1, [d], t[4], t[5], 1e-5)
        z = F.linear(m, t[13])
        s = F.silu(z)
        up = F.linear(m, t[14])
        h = s * up
        y = x1 + F.linear(h, t[15])

        g = torch.zeros_like(x)
        g.narrow(0, 0, t[1].size(0)).copy_(t[1])
        dh = g.mm(t[15])
        d_down = g.t().mm(h)
        dup = dh * s
        dz = torch.ops.aten.silu_backward(dh.mul_(up), z)
        d_gate, d_up = dz.t().mm(m), dup.t().mm(m)
        dm = dz.mm(t[13])
        dm.addmm_(dup, t[14])
        dx1, dw1, db1 = torch.ops.aten.native_layer_norm_backward(
            dm, x1, [d], mean1, rstd1, t[4], t[5], [True, True, True])
        dx1.add_(g)
        d_out = dx1.t().mm(flat)
        du, rest = self.attention_back(dx1.mm(t[12]), q, k, v, a, lse, u, t[6:12], n)
        dx, dw, db = torch.ops.aten.native_layer_norm_backward(
            du, x, [d], mean, rstd, t[2], t[3], [True, True, True])
        dx.add_(dx1)
        return [y, dx, rest[0], rest[4], dw, d_gate, d_down, db, d_up, d_out, dw1, db1] + rest


if __name__ == "__main__":
    torch.jit.script(Blocks()).save(sys.argv[1])
