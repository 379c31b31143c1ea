"""A training step of the family "steps" of `bench performance`, as one writes it with PyTorch (eager).

    python pytorch_step.py FOLDER THREADS

FOLDER holds NAME.safetensors for each model: parameters, ids and pixels, written by this project.
Answers the commands of dev.theriac.bench.frame.Peer. The model is Med-MoE: a vision transformer of
the CLIP kind, a projector, a Phi decoder whose every other feed-forward is a mixture of four experts
(one for each token, weighted by its probability) beside one that all tokens take. Attention is
scaled_dot_product_attention, experts are modules that a loop calls, AdamW is the fused one.
"""
import json
import os
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

MARK, LEARNED, RATE, DECAY = 1, 16, 1e-3, 0.05


def read(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        header.pop("__metadata__", None)
        base, out = f.tell(), {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            f.seek(base + begin)
            kind = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
            data = np.frombuffer(bytearray(f.read(end - begin)), kind).reshape(entry["shape"])
            out[name] = torch.from_numpy(data)
    return out


class Attention(nn.Module):
    def __init__(self, dim, heads, out, causal, rotary, length):
        super().__init__()
        self.heads, self.causal, self.rotary = heads, causal, rotary
        for name in ["q_proj", "k_proj", "v_proj", out]:
            setattr(self, name, nn.Linear(dim, dim))
        self.out = out
        if rotary:
            angles = torch.outer(torch.arange(length).double(),
                                 10000.0 ** -(torch.arange(0, rotary, 2).double() / rotary))
            angles = torch.cat([angles, angles], 1)
            self.cos, self.sin = angles.cos().float(), angles.sin().float()

    def rope(self, x):
        r, cos, sin = self.rotary, self.cos[: x.size(2)], self.sin[: x.size(2)]
        part, rest = x[..., :r], x[..., r:]
        turned = torch.cat([-part[..., r // 2:], part[..., : r // 2]], -1)
        return torch.cat([part * cos + turned * sin, rest], -1)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2)
                   for f in (self.q_proj, self.k_proj, self.v_proj))
        if self.rotary:
            q, k = self.rope(q), self.rope(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return getattr(self, self.out)(y.transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, dim, hidden, act):
        super().__init__()
        self.fc1, self.fc2, self.act = nn.Linear(dim, hidden), nn.Linear(hidden, dim), act

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class Gate(nn.Module):
    def __init__(self, dim, experts):
        super().__init__()
        self.wg = nn.Linear(dim, experts)


class Mixture(nn.Module):
    def __init__(self, dim, hidden, experts):
        super().__init__()
        self.gate = Gate(dim, experts).requires_grad_(False)
        self.experts = nn.ModuleList(Mlp(dim, hidden, gelu_tanh) for _ in range(experts))
        self.meta_moe = Mlp(dim, hidden, gelu_tanh)

    def forward(self, u):
        x = u.reshape(-1, u.size(-1))
        weight, chosen = self.gate.wg(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            rows = (chosen == e).nonzero().squeeze(1)
            out = out.index_add(0, rows, expert(x[rows]) * weight[rows, None])
        return (out + self.meta_moe(x)).view_as(u)


class VisionLayer(nn.Module):
    def __init__(self, dim, hidden, heads):
        super().__init__()
        self.self_attn = Attention(dim, heads, "out_proj", False, 0, 0)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden, quick_gelu)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class DecoderLayer(nn.Module):
    def __init__(self, dim, heads, rotary, mlp, length):
        super().__init__()
        self.self_attn = Attention(dim, heads, "dense", True, rotary, length)
        self.input_layernorm, self.mlp = nn.LayerNorm(dim), mlp

    def forward(self, x):
        u = self.input_layernorm(x)
        return x + self.self_attn(u) + self.mlp(u)


class Model(nn.Module):
    def __init__(self, weights, heads, rotary, vision_heads):
        super().__init__()
        w = {k: v for k, v in weights.items() if not k.startswith("batch.")}
        size = lambda name: w[name].shape
        v, self.v = "vision.", nn.Module()
        self.cls = nn.Parameter(w[v + "embeddings.class_embedding"])
        self.patch = nn.Parameter(w[v + "embeddings.patch_embedding.weight"])
        self.position = nn.Parameter(w[v + "embeddings.position_embedding.weight"])
        dim = self.cls.numel()
        self.pre = nn.LayerNorm(dim)
        hidden = size(v + "encoder.layers.0.mlp.fc1.weight")[0]
        count = 1 + max(int(k.split(".")[3]) for k in w if k.startswith(v + "encoder.layers."))
        self.seeing = nn.ModuleList(VisionLayer(dim, hidden, vision_heads) for _ in range(count))
        vocabulary, d = size("language.embed_tokens.weight")
        self.first, self.second = nn.Linear(dim, d), nn.Linear(d, d)
        self.embed = nn.Embedding(vocabulary, d)
        count = 1 + max(int(k.split(".")[2]) for k in w if k.startswith("language.layers."))
        length = weights["batch.ids"].size(1) + self.position.size(0) - 2
        layers = []
        for i in range(count):
            plain = "language.layers.%d.mlp.fc1.weight" % i
            name = plain if plain in w else plain.replace("fc1", "meta_moe.fc1")
            hidden = size(name)[0]
            mlp = Mlp(d, hidden, gelu_tanh) if plain in w else Mixture(d, hidden, 4)
            layers.append(DecoderLayer(d, heads, rotary, mlp, length))
        self.layers = nn.ModuleList(layers)
        self.final = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocabulary, bias=False)
        self.load(w)

    def load(self, w):
        names = {"pre.": "vision.pre_layrnorm.", "seeing.": "vision.encoder.layers.",
                 "first.": "projector.0.", "second.": "projector.2.",
                 "embed.": "language.embed_tokens.", "layers.": "language.layers.",
                 "final.": "language.final_layernorm.", "head.": "language.lm_head."}
        with torch.no_grad():
            for name, p in self.named_parameters():
                key = next((b + name[len(a):] for a, b in names.items() if name.startswith(a)), None)
                if key is None:
                    continue
                parts = key.split(".experts.")
                if len(parts) == 1:
                    p.copy_(w[key])
                else:
                    e, rest = parts[1].split(".", 1)
                    p.copy_(w[parts[0] + ".experts." + rest][int(e)])

    def forward(self, ids, pixels):
        x = F.conv2d(pixels, self.patch, stride=self.patch.size(-1)).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.size(0), 1, -1), x], 1) + self.position
        x = self.pre(x)
        for layer in self.seeing:
            x = layer(x)
        seen = self.second(F.gelu(self.first(x[:, 1:])))
        text = torch.cat([ids[:, :MARK], ids[:, MARK + 1:]], 1)
        embedded = self.embed(text)
        h = torch.cat([embedded[:, :MARK], seen, embedded[:, MARK:]], 1)
        for layer in self.layers:
            h = layer(h)
        h = self.final(h)[:, -LEARNED - 1:-1]
        logits = self.head(h.reshape(-1, h.size(-1)))
        return F.cross_entropy(logits, ids[:, -LEARNED:].reshape(-1))


class Step:
    SHAPES = {"quickstart": (4, 6, 4), "d512-8-layers": (8, 32, 4)}

    def __init__(self, folder, name):
        weights = read(os.path.join(folder, name + ".safetensors"))
        self.ids, self.pixels = weights["batch.ids"], weights["batch.pixels"]
        self.model = Model(weights, *self.SHAPES[name])
        del weights
        matrices = [p for p in self.model.parameters() if p.requires_grad and p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1]
        self.trained = matrices + vectors
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
            lr=RATE, betas=(0.9, 0.99), fused=True)
        self.losses = []

    def run(self):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.model(self.ids, self.pixels)
        self.losses.append(loss.item())
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()

    def loss(self, i):
        while len(self.losses) <= i:
            self.run()
        return self.losses[i]


def resident():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    name, step = None, None
    print("= PyTorch", torch.__version__, flush=True)
    for line in sys.stdin:
        words = line.rstrip("\n").split("\t")
        if words[0] == "stages":
            answer = "\t".join("training-step/" + n for n in Step.SHAPES)
        elif words[0] == "run":
            if name != words[1]:
                step, name = None, words[1]
                step = Step(folder, name.split("/")[1])
            times, end = [], time.perf_counter() + float(words[2])
            while True:
                start = time.perf_counter()
                step.run()
                times.append((time.perf_counter() - start) * 1e6)
                if time.perf_counter() >= end:
                    break
            answer = "%.6g %.6g %d" % (np.median(times), min(times), len(times))
        elif words[0] == "values":
            answer = " ".join(repr(step.loss(int(w))) for w in words[2:])
        elif words[0] == "restart":
            step, name, answer = None, None, ""
        elif words[0] == "resident":
            answer = str(resident())
        else:
            answer = "-1"
        print("=", answer, flush=True)


if __name__ == "__main__":
    main()
