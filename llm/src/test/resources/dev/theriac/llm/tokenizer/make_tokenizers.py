"""Trains one small tokenizer of each kind and writes what transformers makes of texts and ids.

The build does not run this; the results are committed. To make them again, in this folder:

    pip install transformers==5.18.0 tokenizers==0.23.2
    python make_tokenizers.py

Each folder is a model directory without a model; expected.json in it holds, for each text, the ids
without and with special tokens and the text of the ids, and the texts of random ids: bytes that are
no UTF-8, special tokens, and ids beyond the vocabulary.
"""

import json
import random
from pathlib import Path

from tokenizers import (
    AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers,
)
from transformers import AutoTokenizer

CORPUS = """Chest X-ray shows no focal consolidation, pleural effusion or pneumothorax. The heart is enlarged.
MRI of the brain: T2 hyperintense lesion in the left frontal lobe, 12 mm, no restricted diffusion.
CT abdomen with contrast. Is there a fracture of the distal radius? Yes. No. There is a 3.5 cm mass.
The patient's HbA1c is 7.2 %; she doesn't take metformin 500 mg twice daily. We'll re-check in 6 weeks.
Haematoxylin and eosin stain, 400x: atypical ductal hyperplasia. β-blockers, 5 µg/dl, naïve T cells.
Pneumonia, pneumonia, pneumothorax, pneumonitis; hepatitis, hepatomegaly, nephritis, nephrectomy.
def dose(weight):\n    if weight < 10:\n        return 2.5\n    return 5.0\n
胸部X线片显示肺炎。患者有糖尿病和高血压。 肺部感染，建议复查。
What is shown in this image? The image shows a computed tomography scan of the thorax.
"""

TEXTS = [
    "", " ", "  ", "\n", "\t\tx", "a", " a", "A chest X-ray.", "Is there pneumonia?", "  two  blanks  ",
    "The patient's HbA1c is 7.2 %; doesn't, we'll, I'M, you'RE",
    "Hyperintense lesion (12 mm × 3.5 cm), β-blocker 5 µg/dl, 37.5 °C ± 0.2, ≥ 120/80 mmHg",
    "naïve cafe\u0301 caf\u00e9 Röntgen Ångström \u212b ﬁbrosis ½ Ⅳ ²",
    "肺炎。患者有糖尿病和高血压，请复查！", "胸部X线 ２０２６年", "日本語テキスト 한국어 العربية हिन्दी",
    "🫁🩻💊", "👩🏽‍⚕️ 👨‍👩‍👧 🇨🇳", "x\u0000y", "\ufffd", "\u200b\ufeff\u00a0x", "1234567890 3.14159",
    "def f(x):\n        return x\n\n\n    # four\n\tpass", "line\r\nline\r\rend", "<|endoftext|>", "a<|endoftext|>b",
    "<s>", "</s> x", "<unk>", "<|im_start|>user\nhi<|im_end|>\n", " <|endoftext|> ", "<|endoftext", "▁x ▁ ▁▁", "<0x41>",
    "                                        forty", "ab\n" * 5, "\U0010ffff", "é" * 9, "...---...", "snake_case CamelCase x1y2",
]

QWEN = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"""
        r"""|\s+(?!\S)|\s+""")
CL100K = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"""
          r"""|\s*[\r\n]+|\s+(?!\S)|\s+""")


def write(folder, name, value):
    Path(folder).mkdir(exist_ok=True)
    Path(folder, name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def byte_level(pre_tokenizer, normalizer=None, size=420, special=(), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def byte_fallback(size=600):
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(CORPUS.splitlines(), trainers.BpeTrainer(vocab_size=size - 259, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    vocab = {t: i for i, t in enumerate(tokens + [t for t in model["vocab"] if t not in tokens])}
    merges = [tuple(m) for m in model["merges"]]
    bpe = models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def save(folder, tokenizer, **config):
    Path(folder).mkdir(exist_ok=True)
    tokenizer.save(f"{folder}/tokenizer.json", pretty=False)
    write(folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **config})


def files(folder, tokenizer, added, config):
    """The layout without tokenizer.json."""
    Path(folder).mkdir(exist_ok=True)
    tokenizer.model.save(folder)
    write(folder, "tokenizer_config.json", config)
    if added:
        write(folder, "added_tokens.json", added)


def entry(content, special=False, normalized=True):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False,
            "special": special}


def make():
    gpt2 = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), special=["<|endoftext|>"])
    size = gpt2.get_vocab_size()
    runs = [" " * n for n in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]
    end = {t: "<|endoftext|>" for t in ("bos_token", "eos_token", "unk_token")}
    # Phi-2: one added token for every run of blanks or tabs, found in normalised text.
    decoder = {str(gpt2.token_to_id("<|endoftext|>")): entry("<|endoftext|>", True, False)}
    decoder |= {str(size + i): entry(run) for i, run in enumerate(runs)}
    files("codegen", gpt2, {run: size + i for i, run in enumerate(runs)}, {
        "tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False, "model_max_length": 2048, **end,
        "clean_up_tokenization_spaces": True, "added_tokens_decoder": decoder})
    # An old directory: special_tokens_map.json and added_tokens.json say it all.
    files("gpt2", gpt2, {"<|pad|>": size, "<image>": size + 1}, {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True})
    write("gpt2", "special_tokens_map.json", {**end, "pad_token": entry("<|pad|>", True, False)})
    qwen = byte_level(split(QWEN), normalizers.NFC())
    size = qwen.get_vocab_size()
    chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    files("qwen2", qwen, None, {
        "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "add_prefix_space": False, "bos_token": None,
        "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "model_max_length": 32768,
        "added_tokens_decoder": {str(size + i): entry(t, True, False) for i, t in enumerate(chatml)}})
    stablelm = byte_level(split(CL100K), special=["<|endoftext|>"])
    stablelm.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|reg0|>"])
    save("stablelm", stablelm, eos_token="<|endoftext|>", pad_token="<|reg0|>", model_max_length=4096)
    neox = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), special=["<|endoftext|>", "<|padding|>"])
    neox.post_processor = processors.ByteLevel(trim_offsets=True)
    neox.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    save("neox", neox, padding_side="left", **end)
    llama3 = byte_level(split(CL100K), ignore_merges=True)
    llama3.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    begin = llama3.token_to_id("<|begin_of_text|>")
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
                                      special_tokens=[("<|begin_of_text|>", begin)])])
    save("llama3", llama3, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", model_max_length=131072)
    llama = byte_fallback()
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    save("llama", llama, **named, model_max_length=1000000000000000019884624838656, padding_side="left")
    mistral = byte_fallback()
    mistral.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    mistral.decoder = llama.decoder
    save("mistral", mistral, **named, add_bos_token=True, add_eos_token=True)


def expect(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        whole = tokenizer(text)["input_ids"]
        texts.append({"text": text, "ids": ids, "with_special": whole, "decoded": tokenizer.decode(ids),
                      "skipped": tokenizer.decode(whole, skip_special_tokens=True)})
    rng = random.Random(11)
    size = len(tokenizer)
    loose = []
    for i in range(40):
        top = size + 5 if i % 4 == 3 else size if i % 2 else 260  # the first ids are bytes, as a rule
        ids = [rng.randrange(top) for _ in range(rng.randrange(1, 24))]
        loose.append({"ids": ids, "decoded": tokenizer.decode(ids), "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    result = {"size": size, "texts": texts, "loose": loose}
    for name in ("bos", "eos", "pad", "unk"):
        result[name] = getattr(tokenizer, name + "_token_id")
    result["special"] = sorted(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
    result["padding_side"] = tokenizer.padding_side
    Path(folder, "expected.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(folder, type(tokenizer).__name__, size)


if __name__ == "__main__":
    make()
    for folder in ("codegen", "gpt2", "qwen2", "stablelm", "neox", "llama3", "llama", "mistral"):
        expect(folder)
