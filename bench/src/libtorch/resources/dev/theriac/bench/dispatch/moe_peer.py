"""The layer of `bench dispatch` in the PyTorch of this Python, for `--python`.

Arguments: loop or grouped, a file of expert ids, threads, T, d, n, E, choices, silu or gelu, meta or
none. Answers the commands of dev.theriac.bench.frame.Peer. "loop" is moe_ffn.py through eager
autograd; "grouped" sorts rows once and uses torch.nn.functional.grouped_mm for all experts.
"""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import moe_ffn


def values(seed, scale, offset, shape):
    """DispatchProblem.Values: SplitMix64 of the place, to 24 bits."""
    size = int(np.prod(shape))
    out = np.empty(size, np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, size, 1 << 22):
            end = min(size, start + (1 << 22))
            z = np.arange(start, end, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z += np.uint64((seed * 0xD1342543DE82EF95) & (2**64 - 1))
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            unit = (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1
            out[start:end] = unit * scale + offset
    return torch.from_numpy(out.reshape(shape))


class Layer:
    def __init__(self, variant, ids, tokens, dim, hidden, experts, choices, activation, meta):
        self.variant, self.gated, self.experts = variant, activation == "silu", experts
        inner, outer = (3.0 / dim) ** 0.5, (3.0 / hidden) ** 0.5
        self.ids = ids
        self.x = values(1, 1, 0, (tokens, dim))
        self.g = values(2, 1, 0, (tokens, dim))
        self.weights = values(3, 0.25, 0.5, (tokens, choices))
        if meta:
            self.weights[:, -1] = 1
        self.names = ["gate", "gate_bias", "up", "down", "down_bias"]
        all_ = {
            "gate": values(5, inner, 0, (experts, hidden, dim)),
            "gate_bias": None if self.gated else values(8, 0.5, 0, (experts, hidden)),
            "up": values(6, inner, 0, (experts, hidden, dim)) if self.gated else None,
            "down": values(7, outer, 0, (experts, dim, hidden)),
            "down_bias": None if self.gated else values(9, 0.5, 0, (experts, dim)),
        }
        self.names = [name for name in self.names if all_[name] is not None]
        if variant == "loop":
            parts = {k: [] if v is None else [t.clone().requires_grad_() for t in v]
                     for k, v in all_.items()}
            self.module = moe_ffn.MoeFfn()
            self.module.load(parts["gate"], parts["gate_bias"], parts["up"], parts["down"],
                             parts["down_bias"], 0 if self.gated else 1, False)
            self.leaves = [t for name in self.names for t in parts[name]]
        else:
            if not self.gated:
                raise SystemExit("grouped_mm has no biases")
            self.all = {k: all_[k].requires_grad_() for k in self.names}
            self.leaves = [self.all[k] for k in self.names]
        self.results = {}

    def ffn(self, x, weights, training):
        if self.variant == "loop":
            return self.module.ffn(x, self.ids, weights, training)
        flat = self.ids.flatten()
        order = torch.argsort(flat, stable=True)
        ends = torch.bincount(flat, minlength=self.experts).cumsum(0).to(torch.int32)
        tokens = torch.div(order, self.ids.size(1), rounding_mode="floor")
        rows = x.index_select(0, tokens)
        product = lambda a, w: F.grouped_mm(a, self.all[w].transpose(1, 2), offs=ends)
        h = F.silu(product(rows, "gate")) * product(rows, "up")
        y = product(h, "down") * weights.flatten().index_select(0, order).unsqueeze(1)
        return torch.zeros_like(x).index_add_(0, tokens, y)

    def run(self, stage):
        self.results = {}
        if stage == "forward":
            with torch.no_grad():
                self.results["out"] = self.ffn(self.x, self.weights, False)
        else:
            x = self.x.detach().requires_grad_()
            weights = self.weights.detach().requires_grad_()
            out = self.ffn(x, weights, True)
            grads = torch.autograd.grad(out, [x, weights] + self.leaves, self.g, allow_unused=True)
            self.results = {"out": out.detach(), "dx": grads[0], "dweights": grads[1]}
            self.gradients = grads[2:]

    def read(self, tensor, indices):
        if tensor in self.results:
            flat = self.results[tensor].flatten()
            return [flat[i].item() for i in indices]
        which = self.names.index(tensor[1:])
        if self.variant == "grouped":
            return [self.gradients[which].flatten()[i].item() for i in indices]
        out = []
        for i in indices:
            size = self.leaves[which * self.experts].numel()
            grad = self.gradients[which * self.experts + i // size]
            out.append(0.0 if grad is None else grad.flatten()[i % size].item())
        return out


def main():
    variant, routing, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tokens, dim, hidden, experts, choices = map(int, sys.argv[4:9])
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    ids = torch.from_numpy(np.loadtxt(routing, dtype=np.int64, ndmin=1).reshape(tokens, choices))
    layer = Layer(variant, ids, tokens, dim, hidden, experts, choices, sys.argv[9],
                  sys.argv[10] == "meta")
    label = "loop" if variant == "loop" else "grouped_mm"
    print("= torch", torch.__version__, label, flush=True)
    for line in sys.stdin:
        words = line.rstrip("\n").split("\t")
        if words[0] == "stages":
            answer = "forward\tforward+backward"
        elif words[0] == "run":
            times, end = [], time.perf_counter() + float(words[2])
            while True:
                start = time.perf_counter()
                layer.run(words[1])
                times.append((time.perf_counter() - start) * 1e6)
                if time.perf_counter() >= end:
                    break
            answer = "%.6g %.6g %d" % (np.median(times), min(times), len(times))
        elif words[0] == "values":
            answer = " ".join(map(repr, layer.read(words[1], [int(w) for w in words[2:]])))
        else:
            answer = "-1"
        print("=", answer, flush=True)


if __name__ == "__main__":
    main()
