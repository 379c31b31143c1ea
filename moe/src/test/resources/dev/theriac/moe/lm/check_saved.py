"""Loads the directories that MoeLanguageModelDirectoryTest left in moe/target/moe-lm with transformers and
compares logits with those that Theriac computed: python check_saved.py ../../../../../../../target/moe-lm

Needs torch 2.13.0, transformers 5.18.0 and safetensors.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

worst = 0.0
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    found = {k: v for k, v in report.items() if v and k.endswith("_keys")}
    answer = load_file(folder / "theriac.safetensors")
    mask = torch.arange(answer["ids"].shape[1])[None] < answer["lengths"][:, None]
    with torch.no_grad():
        logits = model.eval()(input_ids=answer["ids"], attention_mask=mask.long()).logits
    error = ((answer["logits"] - logits)[mask].abs().max() / logits[mask].abs().max()).item()
    worst = max(worst, error)
    print(f"{folder.name:18} {model.__class__.__name__:22} {error:.1e} {found or ''}")
print(f"worst {worst:.1e}")
sys.exit(worst > 2e-5)
