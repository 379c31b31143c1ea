"""PyTorch on the GPU, for the tables of `theriac bench gpu`.

python gpu_peer.py PROBLEMS ROUNDS SECONDS

PROBLEMS has a line for each problem:
  attention BATCH HEADS KV QUERIES KEYS DEPTH CAUSAL
  grouped | grouped-dx | grouped-dw N K OFFSET...
Prints a line on itself, then for each problem that ran precision, microseconds and the problem, with tabs between.
Operands of bf16 lie in bf16; those of f32 and tf32 in f32.
"""

import statistics
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("PyTorch did not run: this Python has no torch")
    sys.exit(0)


def attention(words, dtype):
    batch, heads, kv, queries, keys, depth, causal = map(int, words)

    def tensor(length, count):
        return torch.rand(batch, count, length, depth, device="cuda").mul_(2).sub_(1).to(dtype)

    q, k, v = tensor(queries, heads), tensor(keys, kv), tensor(keys, kv)
    if kv != heads:
        # Not enable_gqa: older versions lack it. The copies are made before the clock runs.
        k, v = (x.repeat_interleave(heads // kv, 1) for x in (k, v))
    # The last query stands at the last key: with one query nothing is masked.
    masked = bool(causal) and queries > 1
    if masked and queries != keys:
        raise ValueError("causal with %d queries and %d keys" % (queries, keys))
    return lambda: F.scaled_dot_product_attention(q, k, v, is_causal=masked)


def grouped(kind, words, dtype):
    n, k, *offsets = map(int, words)
    rows, experts = offsets[-1], len(offsets) - 1

    def tensor(*shape):
        return torch.rand(*shape, device="cuda").mul_(2).sub_(1).to(dtype)

    parts = [(e, slice(offsets[e], offsets[e + 1])) for e in range(experts) if offsets[e] < offsets[e + 1]]
    if kind == "grouped":
        x, w, out = tensor(rows, k), tensor(experts, n, k), torch.empty(rows, n, device="cuda", dtype=dtype)
        steps = [(x[s], w[e].t(), out[s]) for e, s in parts]
    elif kind == "grouped-dx":
        g, w, out = tensor(rows, n), tensor(experts, n, k), torch.empty(rows, k, device="cuda", dtype=dtype)
        steps = [(g[s], w[e], out[s]) for e, s in parts]
    else:
        g, x = tensor(rows, n), tensor(rows, k)
        out = torch.empty(experts, n, k, device="cuda", dtype=dtype)
        steps = [(g[s].t(), x[s], out[e]) for e, s in parts]

    def run():
        for a, b, c in steps:
            torch.mm(a, b, out=c)

    return run


def micros(call, count):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e3 / count


def main():
    problems, rounds, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if not torch.cuda.is_available():
        print("PyTorch did not run: torch %s sees no CUDA device" % torch.__version__)
        return
    print("PyTorch %s on %s" % (torch.__version__, torch.cuda.get_device_name(0)))
    with open(problems, encoding="utf-8") as lines, torch.no_grad():
        for line in lines:
            line = line.rstrip("\n")
            kind, *words = line.split()
            for precision in ("f32", "tf32", "bf16"):
                torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
                dtype = torch.bfloat16 if precision == "bf16" else torch.float32
                try:
                    call = attention(words, dtype) if kind == "attention" else grouped(kind, words, dtype)
                    for _ in range(3):
                        call()
                    count = max(1, min(10000, int(seconds * 1e6 / max(1.0, micros(call, 3)))))
                    times = [micros(call, count) for _ in range(rounds)]
                except (RuntimeError, ValueError) as e:
                    print("%s, %s: %s" % (line, precision, e), file=sys.stderr)
                    continue
                print("%s\t%.6g\t%s" % (precision, statistics.median(times), line), flush=True)
                call = None
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
