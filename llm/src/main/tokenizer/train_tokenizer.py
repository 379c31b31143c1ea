"""Learns the built-in models' tokenizer.json from corpus.txt.

The build does not run this; the result is committed. To make it again, in this folder:

    pip install tokenizers==0.23.2
    python train_tokenizer.py ../resources/dev/theriac/llm/tokenizer/tokenizer.json
"""

import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 512
SPECIAL = ["<|endoftext|>", "<|pad|>"]

# The opening of every prompt. As one added token it costs one position, not thirty.
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def corpus(path):
    """Lines without comments; built-in data (all before "What people ask") counts four times."""
    weight = 4
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("#"):
                weight = 1 if "What people ask" in line else weight
                continue
            for _ in range(weight):
                yield line


def main(out):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 1,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus("corpus.txt"), trainer)
    tokenizer.add_tokens([AddedToken(SYSTEM, normalized=False)])
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    tokenizer.save(out)


if __name__ == "__main__":
    main(sys.argv[1])
