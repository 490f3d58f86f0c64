"""Byte-level BPE: every name, city and word of the corpus is one token with its leading space, digits in pairs."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.corpus import lists
from training.corpus.generate import GENERATORS, document
from training.corpus.markup import parse

END = "<|endoftext|>"
WORD = re.compile(r" ?[^\W\d_]+")
LETTERS = re.compile(r"[^\W\d_]+")


def build(vocabulary: int, folder: Path, context: int, seed: int = 0) -> Tokenizer:
    """Train the tokenizer on a list of words in which rare ones count as much as frequent ones, and write it."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    pairs = pre_tokenizers.Split(Regex(r" ?\d{1,2}"), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pairs, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(word_list(seed), trainer)
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), END)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=context, **ends)
    fast.save_pretrained(folder)
    return tokenizer


def word_list(seed: int) -> Iterator[str]:
    """Names twelve times, words six, rare sentence-initial words two times, numbers often, some prose."""
    r = Random(f"tokenizer {seed}")
    counts: Counter[str] = Counter()
    for kind in (kind for kind in GENERATORS if kind not in ("backwards", "swapped")):  # no words of their own
        for _ in range(6000 if kind in ("fact", "story", "indirect_object", "chain") else 2500):
            counts.update(WORD.findall(parse(document(kind, r))[0]))
    proper = proper_names()
    words = set(counts) | {" " + word for word in proper} | set(lists.NAMES)
    for word in sorted(words):
        often = word.startswith(" ") or word in lists.NAMES or (word not in proper and counts[word] >= 5)
        name = word.startswith(" ") and word[1:] in proper
        yield from [word] * (12 if name else 6 if often else 2)
    for n in range(100):
        yield from [f" {n}", f"{n:02d}", f" {n:02d}"] * 20
    for kind in ("code", "foreign", "story"):
        for _ in range(20):
            yield parse(document(kind, r))[0]


def proper_names() -> set[str]:
    """The words of all names of people and places, days and months."""
    names = [*lists.NAMES, *lists.WORDS["days"], *lists.WORDS["months"]]
    for row in (*lists.COUNTRIES, *lists.LANDMARKS, *lists.CITIES, *lists.STATE_CITIES, *lists.CAPITALS):
        names += row
    return {word for name in names for word in name.split()}
