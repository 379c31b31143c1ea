"""Loads the tokenizers that ReferenceTokenizersTest saved in transformers and compares all ids and texts.

    pip install transformers==5.18.0 tokenizers==0.23.2
    mvn -pl llm -am test -Dtest=ReferenceTokenizersTest -Dsurefire.failIfNoSpecifiedTests=false
    python check_saved.py ../../../../../../../target/saved-tokenizers
"""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer


def check(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = json.loads(Path(folder.name, "expected.json").read_text())
    for text in expected["texts"]:
        ids = tokenizer(text["text"], add_special_tokens=False)["input_ids"]
        whole = tokenizer(text["text"])["input_ids"]
        assert (ids, whole) == (text["ids"], text["with_special"]), (text, ids, whole)
        assert tokenizer.decode(whole, skip_special_tokens=True) == text["skipped"], text
    for loose in expected["loose"]:
        assert tokenizer.decode(loose["ids"]) == loose["decoded"], loose
        assert tokenizer.decode(loose["ids"], skip_special_tokens=True) == loose["skipped"], loose
    assert len(tokenizer) == expected["size"]
    assert tokenizer.padding_side == expected["padding_side"]
    for name in ("bos", "eos", "pad", "unk"):
        assert getattr(tokenizer, name + "_token_id") == expected[name], name
    print(folder.name, "equal:", len(expected["texts"]), "texts,", len(expected["loose"]), "lists of ids")


if __name__ == "__main__":
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        check(folder)
