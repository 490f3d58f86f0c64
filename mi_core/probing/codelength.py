"""How many bits the labels take for somebody who knows the activations: online code (Voita and Titov 2020)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from mi_core.probing.fit import Inputs, Labels, Tick, fitted, told

#: Shares of the texts after which the probe is fitted anew: Voita and Titov's.
PORTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)

Predict = Callable[[np.ndarray, np.ndarray], Float[np.ndarray, "text class_"]]


def codelength(y: Labels, n_classes: int, order: Int[np.ndarray, " text"], predict: Predict) -> float:
    """Bits for the labels, sent in blocks, each with a probe that was fitted on all blocks before it.

    A block is sent at log₂ K bits a label while not all K classes have come.

    Args:
        y: The class of each text.
        n_classes: K.
        order: The texts, in the order in which they are sent.
        predict: ``predict(known, block)``, the probabilities of each class for the texts of the block, by a probe that
            learned from the known ones.
    """
    ends = sorted({math.ceil(portion * len(y)) for portion in PORTIONS})
    bits = ends[0] * math.log2(n_classes)
    for start, end in itertools.pairwise(ends):
        known, block = order[:start], order[start:end]
        if len(set(y[known])) < n_classes:
            bits += len(block) * math.log2(n_classes)
        else:
            own = predict(known, block)[np.arange(len(block)), y[block]]
            bits -= float(np.log2(np.maximum(own, np.finfo(float).tiny)).sum())
    return bits


def of_probe(x: Inputs, y: Labels, n_classes: int, c: float, seed: int, tick: Tick) -> float:
    """The bits by logistic probes on `x`, the texts sent in random order."""

    def predict(known: np.ndarray, block: np.ndarray) -> Float[np.ndarray, "text class_"]:
        tick()
        return told(fitted(x[known], y[known], c), x[block], n_classes)

    return codelength(y, n_classes, np.random.default_rng(seed).permutation(len(y)), predict)
