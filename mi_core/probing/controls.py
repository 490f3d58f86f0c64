"""What a probe must beat before it says anything: shuffled labels, random classes of words, the words alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mi_core.probing.fit import Folds, Inputs, Labels, Tick, held_out, right

DRAWS = 5  # of the control task


def shuffled(
    x: Inputs, y: Labels, folds: Folds, cs: Sequence[float], seed: int, times: int, tick: Tick
) -> Float[np.ndarray, " shuffle"]:
    """The accuracy of probes that learned from shuffled labels, asked for the true ones."""
    random = np.random.default_rng(seed)
    learned = [random.permutation(y) for _ in range(times)]
    return np.array([right(probability, y) for probability in held_out(x, learned, folds, cs, tick)])


def control_labels(y: Labels, fillers: Sequence[str], seed: int) -> Labels:
    """A class at random for every filler, as often as the true ones: a control task (Hewitt and Liang 2019).

    Only who remembers words can do it: there is nothing else to learn.
    """
    random, known = np.random.default_rng(seed), list(dict.fromkeys(fillers))
    drawn = dict(zip(known, random.permutation(np.resize(random.permutation(y), len(known))), strict=True))
    return np.array([drawn[filler] for filler in fillers])


def control(x: Inputs, labels: Sequence[Labels], folds: Folds, cs: Sequence[float], tick: Tick) -> float:
    """The accuracy in control tasks, the mean over their draws; with true labels, the accuracy in the task."""
    probability = held_out(x, labels, folds, cs, tick)
    return float(np.mean([right(of_draw, drawn) for of_draw, drawn in zip(probability, labels, strict=True)]))


def word_counts(texts: Sequence[str]) -> Float[np.ndarray, "text word"]:
    """How often each word stands in each text: what can be told without a model.

    Words that a fold has not seen do not vary in it, so the scaler leaves them at zero weight.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(token_pattern=r"\w+|[^\w\s]").fit(texts)
    return counter.transform(texts).toarray().astype(float)
