"""Where a probe points: directions in the residual stream, from all texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mi_core.errors import InputError, choose
from mi_core.models.model import Model
from mi_core.phrases import after_layer
from mi_core.probing import penalty
from mi_core.probing.activations import activations, readings
from mi_core.probing.fit import Inputs, Labels, fitted
from mi_core.probing.labelled import LabelledTexts

KINDS = ("logistic", "mean difference")


def directions(x: Inputs, y: Labels, n_classes: int, c: float) -> Float[np.ndarray, "kind class_ d_model"]:
    """Unit directions towards each class, in the order of `KINDS`.

    Logistic: the probe's weights, taken back through its scaler, less their mean over the classes. Mean difference: the
    mean activation of the class less that of the others. Where two are the same, or nothing is learned, zeros.
    """
    probe = fitted(x, y, c)
    scaler, logistic = probe[0], probe[-1]
    weights = logistic.coef_ / scaler.scale_
    weights = np.concatenate([-weights, weights]) if n_classes == 2 else weights - weights.mean(0)
    means = np.stack([x[y == k].mean(0) - x[y != k].mean(0) for k in range(n_classes)])
    return np.stack([_unit(weights), _unit(means)])


def _unit(vectors: Float[np.ndarray, "class_ d_model"]) -> Float[np.ndarray, "class_ d_model"]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


@dataclass(frozen=True)
class ProbeDirection:
    """Where one class lies in the residual stream."""

    unit: Float[np.ndarray, " d_model"]
    """Its length is 1."""
    mean: float
    """What the texts hold along it on average."""
    largest: float
    """The largest number among their activations."""


def direction_to(
    model: Model,
    held: LabelledTexts,
    label: str,
    layer: int,
    *,
    kind: str = "logistic",
    position: str = "last",
    token: str = "",
    c: float | None = None,
    seed: int = 0,
    prepend_bos: bool | None = None,
    between: Callable[[], None],
) -> ProbeDirection:
    """The direction that a probe of all texts gives to one class.

    Args:
        model: The model.
        held: The texts.
        label: The class that it leads to.
        layer: Blocks passed where it is read.
        kind: One of `KINDS`.
        position: Where the texts are read, as `readings` takes it.
        token: That token.
        c: Inverse of the penalty's strength; None: chosen by folds of whole groups.
        seed: Of these folds.
        prepend_bos: None follows the model's own habit.
        between: Called after every pass and before every fit.

    Raises:
        InputError: No such class; or nothing tells the classes apart here.
    """
    number = held.classes.index(choose(label, held.classes, "label", "class of these texts"))
    places = readings(model, held.texts, position, token, prepend_bos=prepend_bos)
    x = activations(model, places, lambda done: between())[layer].astype(float)
    y = np.array(held.numbers)
    best = penalty.chosen(x, y, held.groups, penalty.choices(c), seed, between)
    unit = directions(x, y, len(held.classes), best)[KINDS.index(kind), number]
    if not np.linalg.norm(unit) > 0:
        raise InputError(
            f"Nothing tells the classes apart {after_layer(layer, model.n_layers)}: choose another.", "layer"
        )
    return ProbeDirection(unit, float((x @ unit).mean()), float(np.abs(x).max()))
