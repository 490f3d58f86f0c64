"""Fitting a probe and asking it about texts that it has not seen. scikit-learn does both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mi_core.errors import InputError

FOLDS = 5
STEPS = 2000  # of L-BFGS at most; some tens are usual
Z = 1.959963984540054  # standard deviations that hold 95 % of a normal distribution

Inputs = Float[np.ndarray, "text column"]
Labels = Int[np.ndarray, " text"]
Folds = Sequence[np.ndarray]
Tick = Callable[[], None]


def fitted(x: Inputs, y: Labels, c: float) -> Any:
    """A logistic regression with an L2 penalty, behind a scaler that has seen these texts only.

    Args:
        x: A row per text.
        y: The class of each.
        c: The inverse of the penalty's strength.
    """
    from sklearn.pipeline import make_pipeline

    scaler = _scaler(x)
    return make_pipeline(scaler, _logistic(scaler.transform(x), y, c))


def _scaler(x: Inputs) -> Any:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit(x)


def _logistic(scaled: Inputs, y: Labels, c: float) -> Any:
    import sklearn
    from sklearn.linear_model import LogisticRegression

    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        return LogisticRegression(C=c, max_iter=STEPS).fit(scaled, y)


def told(probe: Any, x: Inputs, n_classes: int) -> Float[np.ndarray, "text class_"]:
    """What a probe makes of texts: the probability of each class, 0 for one that it has not learned."""
    found = np.zeros((len(x), n_classes))
    found[:, probe.classes_] = probe.predict_proba(x)
    return found


def held_out(
    x: Inputs, learned: Sequence[Labels], folds: Folds, cs: Sequence[float], tick: Tick
) -> Float[np.ndarray, "labelling text class_"]:
    """The probability of each class for every text, by probes that were fitted on the other folds.

    Args:
        x: A row per text.
        learned: Labels to learn from, the true ones or others; each labelling has probes of its own.
        folds: The texts of each fold.
        cs: [fold] See `fitted`.
        tick: Called before every fit.
    """
    n_classes = int(max(y.max() for y in learned)) + 1
    found = np.empty((len(learned), len(x), n_classes))
    for test, c in zip(folds, cs, strict=True):
        rest = np.setdiff1d(np.arange(len(x)), test)
        scaler = _scaler(x[rest])
        known, unseen = scaler.transform(x[rest]), scaler.transform(x[test])
        for at, y in enumerate(learned):
            tick()
            if len(np.unique(y[rest])) > 1:
                found[at, test] = told(_logistic(known, y[rest], c), unseen, n_classes)
            else:  # a control task may leave one class only
                found[at, test] = np.eye(n_classes)[y[rest][0]]
    return found


def right(probability: Float[np.ndarray, "text class_"], y: Labels) -> float:
    """Share of the texts whose likeliest class is their own."""
    return float((probability.argmax(1) == y).mean())


def group_folds(y: Labels, groups: Sequence[str], seed: int, most: int = FOLDS) -> list[np.ndarray]:
    """Up to `most` folds that hold whole groups, the classes as evenly as that allows.

    Raises:
        InputError: Some class would have nothing left to learn from.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    n = min(most, len(set(groups)), int(np.unique(y, return_counts=True)[1].min()))
    folds = [np.arange(len(y))]
    if n > 1:
        splits = StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(y[:, None], y, list(groups))
        folds = [test for _, test in splits if len(test)]
    for test in folds:
        if len(set(np.delete(y, test))) < len(set(y)):
            raise InputError(
                "With groups of such unequal size, nothing of one class is left to learn from: give its texts more "
                "groups.",
                "file",
            )
    return folds


def random_folds(y: Labels, seed: int) -> list[np.ndarray]:
    """Five folds at random, whatever the groups, each class in equal parts."""
    from sklearn.model_selection import StratifiedKFold

    return [test for _, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y[:, None], y)]


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `n` texts (Wilson 1927)."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def auc(probability: Float[np.ndarray, "text class_"], y: Labels, folds: Folds) -> float:
    """Area under the ROC curve, the mean over the folds that hold all classes; NaN where none does.

    Of more than two classes, the mean of each against the rest. A fold's probe has its own scale, so folds are not
    mixed.
    """
    from sklearn.metrics import roc_auc_score

    areas = []
    for test in folds:
        if len(set(y[test])) == probability.shape[1]:
            scores = probability[test, 1] if probability.shape[1] == 2 else probability[test]
            areas.append(roc_auc_score(y[test], scores, multi_class="ovr"))
    return float(np.mean(areas)) if areas else math.nan
