"""Activations of 200 texts at all layers for probes: against a pass per text and layer, and against one per text."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, faster, in_turns
from mi_core.models.model import Model
from mi_core.probing.activations import activations, readings

REPETITIONS = 1
TEXTS = 200
LENGTHS = (6, 9, 12, 15)  # tokens


def measure() -> list[Row]:
    """The same numbers in three ways, at GPT-2 small's size."""
    model = gpt2_size.opened()
    texts = [gpt2_size.prompt(LENGTHS[number % len(LENGTHS)]) for number in range(TEXTS)]
    ids = [torch.tensor([model.tokens(text, prepend_bos=False).ids]) for text in texts]
    ways = {
        "a layer": lambda: of_layer(model, ids, model.n_layers // 2),
        "by text": lambda: by_text(model, ids),
        "loupe": lambda: ours(model, texts),
    }
    seconds = in_turns(ways, REPETITIONS)
    by_layer = seconds["a layer"] * (model.n_layers + 1)  # each takes as long
    task = f"probing, activations of {TEXTS} texts at {model.n_layers + 1} layers"
    return [
        faster(f"{task}: a pass per text and layer", by_layer, seconds["loupe"], 5.0),
        faster(f"{task}: a pass per text", seconds["by text"], seconds["loupe"]),
    ]


@torch.no_grad()
def of_layer(model: Model, ids: list[torch.Tensor], layer: int) -> np.ndarray:
    """The usual way, for one layer: a pass for each text that keeps this layer's activation."""
    name = model.resid_names()[layer]
    return torch.stack([model.bridge.run_with_cache(row, names_filter=[name])[1][name][0, -1] for row in ids]).numpy()


@torch.no_grad()
def by_text(model: Model, ids: list[torch.Tensor]) -> np.ndarray:
    """The better way: a pass for each text that keeps all layers."""
    names = model.resid_names()
    kept = [model.bridge.run_with_cache(row, names_filter=names)[1] for row in ids]
    return np.stack([torch.stack([cache[name][0, -1] for cache in kept]).numpy() for name in names])


def ours(model: Model, texts: list[str]) -> np.ndarray:
    """Texts of equal length in one pass, all layers kept, logits of one position made."""
    places = readings(model, texts, "last", "", prepend_bos=False)
    return activations(model, places, lambda done: None, keep=False)
