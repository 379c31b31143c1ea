"""Writes sampling.safetensors: the probabilities that transformers samples from after its logits
processors, for random logits and for logits with many ties. Needs torch 2.13.0, transformers 5.18.0
and safetensors; run it in this directory.
"""

import torch
from safetensors.torch import save_file
from transformers import LogitsProcessorList, MinNewTokensLengthLogitsProcessor
from transformers import RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper
from transformers import TopKLogitsWarper, TopPLogitsWarper

torch.manual_seed(0)
logits = torch.randn(6, 60) * 3
ties = (torch.randn(6, 60) * 2).round()
prompt = torch.tensor([[3, 9, 9, 41, 5, 17]])


def penalty(p):
    return RepetitionPenaltyLogitsProcessor(p)


settings = {
    "plain": [],
    "cold": [TemperatureLogitsWarper(0.6)],
    "top-k": [TemperatureLogitsWarper(1.5), TopKLogitsWarper(7)],
    "top-k-ties": [TopKLogitsWarper(3)],
    "top-p": [TemperatureLogitsWarper(1.2), TopPLogitsWarper(0.7)],
    "penalty": [penalty(1.7)],
    "all": [
        penalty(1.2),
        MinNewTokensLengthLogitsProcessor(prompt.shape[1], 4, [5, 11], device="cpu"),
        TemperatureLogitsWarper(0.8),
        TopKLogitsWarper(20),
        TopPLogitsWarper(0.9),
    ],
}
out = {"logits": logits, "ties": ties, "prompt": prompt[0]}
for name, processors in settings.items():
    scores = (ties if name == "top-k-ties" else logits).clone()
    scores = LogitsProcessorList(processors)(prompt.repeat(6, 1), scores)
    out[f"probabilities.{name}"] = scores.softmax(-1)
save_file({k: v.contiguous() for k, v in out.items()}, "sampling.safetensors")
