"""The texts in which one neuron fires most, against a loop with one `run_with_cache` per text, in tokens per second."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, in_turns
from mi_core.analyses.max_activating import max_activating
from mi_core.models import hooks
from mi_core.models.model import Model

REPETITIONS = 1
TEXTS, SHORTEST, LONGEST = 80, 8, 100  # tokens
LAYER, NEURON, TOP_K = 6, 5, 20
AT_LEAST = 1.5


def measure() -> list[Row]:
    """At GPT-2 small's size, in the middle of the model; both sides read the same texts, from their characters on."""
    model, lengths = gpt2_size.opened(), random.Random(0)
    texts = [gpt2_size.prompt(lengths.randint(SHORTEST, LONGEST), seed) for seed in range(TEXTS)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.txt"
        file.write_text("\n".join(texts), encoding="utf-8")
        seconds = in_turns({"usual": lambda: loop(model, texts), "loupe": lambda: ours(model, file)}, REPETITIONS)
    n_tokens = sum(len(model.tokenizer.encode(text)) for text in texts)
    usual, loupe = (n_tokens / seconds[way] for way in ("usual", "loupe"))
    task = f"max-activating texts of a neuron, {TEXTS} texts, {n_tokens:,} tokens, peaks read again included"
    shown = (f"{usual:,.0f} tokens/s", f"{loupe:,.0f} tokens/s", f"{loupe / usual:,.3g} ×", f"≥ {AT_LEAST:g} ×")
    return [Row(task, *shown, loupe / usual >= AT_LEAST)]


@torch.no_grad()
def loop(model: Model, texts: list[str]) -> list[tuple[float, int]]:
    """The usual way: text by text a whole pass that keeps the one activation, and in the end a sort."""
    name, found = hooks.post(LAYER), []
    for number, text in enumerate(texts):
        ids = torch.tensor([[model.tokenizer.bos_token_id, *model.tokenizer.encode(text)]])
        _, cache = model.bridge.run_with_cache(ids, names_filter=[name])
        found.append((float(cache[name][0, 1:, NEURON].max()), number))
    return sorted(found, reverse=True)[:TOP_K]


def ours(model: Model, file: Path) -> object:
    """Passages of about equal length in one pass, which ends at the neuron's layer."""
    return max_activating(model, file=str(file), unit="neuron", layer=LAYER, neuron=NEURON, top_k=TOP_K)
