"""Shows that transformers reads what Theriac wrote, and computes the same from it.

Needs what make_models.py needs; run it in this directory: python3 check_saved.py [folder]. The
folder, saved/ here by default, holds directories that Theriac wrote from those of make_models.py
(VisionDirectoryTest compares them with what it writes, byte for byte). Prints the largest
difference of each model's outputs relative to the largest value, and fails above 1e-6.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig

from make_models import outputs

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "saved")
for saved in sorted(folder.iterdir()):
    kind = getattr(transformers, AutoConfig.from_pretrained(saved).architectures[0])
    model, info = kind.from_pretrained(saved, output_loading_info=True, attn_implementation="eager", dtype=torch.float64)
    problems = [k for k in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[k]]
    if problems:
        sys.exit(f"{saved}: {[(k, info[k]) for k in problems]}")
    expected = load_file(saved.name + "/expected.safetensors")
    selected = model.config.num_hidden_layers - 1
    worst = 0
    with torch.no_grad():
        for key, value in outputs(model.eval(), expected["images"].double(), selected)[0].items():
            worst = max(worst, ((value - expected[key]).abs().max() / expected[key].abs().max()).item())
    print(f"{saved}: {kind.__name__}, {worst:.1e}")
    if worst > 1e-6:
        sys.exit(1)
