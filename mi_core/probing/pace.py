"""How fast texts are read and probes are fitted here and now."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from mi_core.models.model import Model
from mi_core.probing import fit
from mi_core.probing.activations import Reading, activations, batches
from mi_core.probing.protocol import Protocol


def pace(model: Model, places: Sequence[Reading], ask: Protocol) -> tuple[float, float]:
    """Seconds to read all texts, from one pass of them; and seconds per fit, on numbers at random.

    Args:
        model: The model.
        places: The texts.
        ask: What would be measured.
    """
    passes = batches(places)
    sample = [places[number] for number in passes[len(passes) // 2]]
    began = time.perf_counter()
    activations(model, sample, lambda done: None, keep=False)
    share = len(sample) / len(places)
    reading = (time.perf_counter() - began) / share
    x = np.random.default_rng(0).normal(size=(len(places), model.d_model))
    fit.fitted(x, ask.y, ask.among[0])  # the first imports scikit-learn
    began = time.perf_counter()
    for c in ask.among:
        fit.fitted(x, ask.y, c)
    return reading, (time.perf_counter() - began) / len(ask.among)
