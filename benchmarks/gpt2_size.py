"""A model of GPT-2 small's size with random weights, and prompts of a given length for it. Nothing is downloaded."""

from __future__ import annotations

import functools
import itertools
import os
import random
import string
import tempfile
from pathlib import Path

N_VOCAB = 50_257
N_CTX = 1_024
SPREAD = 3.0  # times the usual initialisation, so that attention and predictions are not flat

PAIRS = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]


def folder() -> Path:
    """The model's folder, kept in the system's folder for temporary files and written there the first time."""
    place = Path(tempfile.gettempdir()) / "loupe-benchmarks" / "gpt2-size"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as unfinished:
            write(Path(unfinished) / "model")
            os.replace(Path(unfinished) / "model", place)
    return place


def write(place: Path, seed: int = 0) -> None:
    """Write config, weights and tokenizer in Hugging Face layout: about 500 MB."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=N_VOCAB, n_positions=N_CTX, n_embd=768, n_layer=12, n_head=12)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config)
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.data.mul_(SPREAD)
            else:
                parameter.data.normal_(0.1 if "bias" in name else 0.8, 0.1)
    model.save_pretrained(place)
    tokenizer().save_pretrained(place)


def tokenizer():
    """A byte-level BPE tokenizer with GPT-2's number of entries and merges made up from the alphabet.

    It knows every two letters, alone and after a space, as one token; longer words as several.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(itertools.islice(_merges(), N_VOCAB - 1 - len(pieces)))
    pieces += [left + right for left, right in merges] + ["<|endoftext|>"]
    backend = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=end, eos_token=end)


def _merges():
    """Endless enough: two letters, a space before one or two, three letters, a space before them, four letters."""
    letters = string.ascii_lowercase
    yield from itertools.product(letters, letters)
    yield from (("Ġ", word) for word in [*letters, *PAIRS])
    triples = list(itertools.product(PAIRS, letters))
    yield from triples
    yield from (("Ġ", pair + letter) for pair, letter in triples)
    yield from itertools.product(PAIRS, PAIRS)


def prompt(n_tokens: int, seed: int = 0) -> str:
    """Text of exactly `n_tokens` tokens for this tokenizer, no beginning-of-sequence token counted."""
    words = random.Random(seed).choices(PAIRS, k=n_tokens)
    return words[0] + "".join(f" {word}" for word in words[1:])


@functools.cache
def opened():
    """The model, open: the same for every measurement."""
    from mi_core.models.loading import load

    return load(str(folder()))
