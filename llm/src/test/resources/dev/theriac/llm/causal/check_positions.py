"""Shows that transformers generates beyond max_position_embeddings where a limit is asked for, the
tokens of the same model with more positions, and cuts its default of 20 new tokens there alone.

Needs torch 2.13.0, transformers 5.18.0 and safetensors; GeneratorPositionsTest has the same cases.
"""

import pathlib
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

here = pathlib.Path(__file__).parent
for name in ("phi", "stablelm", "llama"):
    stored = load_file(here / f"{name}.safetensors")
    prompt = stored["ids"][stored["mask"].bool().all(1)][:1]
    counts = {}
    for positions in (128, 16):
        with tempfile.TemporaryDirectory() as folder:
            config = AutoConfig.from_pretrained(here / f"{name}.json")
            config.max_position_embeddings = positions
            config.save_pretrained(folder)
            weights = {k[8:]: v.contiguous() for k, v in stored.items() if k.startswith("weights.")}
            save_file(weights, f"{folder}/model.safetensors", {"format": "pt"})
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        asked = dict(do_sample=False, eos_token_id=None, pad_token_id=0)
        counts[positions] = [
            model.generate(prompt, **asked, **limit)[0, prompt.shape[1] :].tolist()
            for limit in ({"max_new_tokens": 40}, {"max_length": 40}, {})
        ]
    few, many = counts[16], counts[128]
    print(name, prompt.shape[1], [len(t) for t in few], [len(t) for t in many])
    assert few[0] == many[0] and few[1] == many[1] and len(few[0]) == 40
    assert len(few[2]) == 16 - prompt.shape[1] and len(many[2]) == 20
