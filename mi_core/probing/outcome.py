"""What probes made of the texts, as tables: wrong ones, classes taken for others, groups, and where directions lead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.probing.labelled import LabelledTexts
from mi_core.probing.probe_direction import KINDS

Directions = Float[np.ndarray, "layer kind class_ d_model"]


def errors(
    held: LabelledTexts, layers: Sequence[int], probability: Float[np.ndarray, "layer text class_"]
) -> pd.DataFrame:
    """The texts that each layer's probe gets wrong, and how probable it found its own choice."""
    guess = probability.argmax(-1)
    rows = [
        (
            layers[layer],
            held.texts[text],
            held.groups[text],
            held.labels[text],
            held.classes[guess[layer, text]],
            probability[layer, text].max(),
        )
        for layer, text in np.argwhere(guess != np.array(held.numbers))
    ]
    return pd.DataFrame(rows, columns=["layer", "text", "group", "label", "predicted", "probability"])


def confusion(held: LabelledTexts, layers: Sequence[int], predicted: Int[np.ndarray, "layer text"]) -> pd.DataFrame:
    """How many texts of each class are taken for each class, by layer."""
    y = np.array(held.numbers)
    rows = [
        (layer, label, other, int(((y == true) & (predicted[at] == guess)).sum()))
        for at, layer in enumerate(layers)
        for true, label in enumerate(held.classes)
        for guess, other in enumerate(held.classes)
    ]
    return pd.DataFrame(rows, columns=["layer", "label", "predicted", "texts"])


def by_group(held: LabelledTexts, predicted: Int[np.ndarray, " text"]) -> pd.DataFrame:
    """How many texts each group has, and the share that is told right."""
    right = predicted == np.array(held.numbers)
    frame = pd.DataFrame({"group": held.groups, "texts": 1, "accuracy": right.astype(float)})
    return frame.groupby("group", sort=False).agg({"texts": "sum", "accuracy": "mean"}).reset_index()


def agreement(held: LabelledTexts, layers: Sequence[int], directions: Directions) -> pd.DataFrame:
    """The cosine of a layer's two directions to each class."""
    logistic, means = np.moveaxis(directions, 1, 0)
    agree = np.einsum("lkd,lkd->lk", logistic, means)
    rows = [(layer, label, agree[at, number]) for at, layer in enumerate(layers)
            for number, label in enumerate(held.classes)]  # fmt: skip
    return pd.DataFrame(rows, columns=["layer", "label", "cosine"])


def cosines(held: LabelledTexts, layers: Sequence[int], directions: Directions) -> pd.DataFrame:
    """The cosines of the same direction of any two layers."""
    between = np.einsum("lkcd,mkcd->kclm", directions, directions)
    kind, label, layer, other = (axis.ravel() for axis in np.indices(between.shape))
    numbers, classes = np.array(layers), np.array(held.classes, dtype=object)
    return pd.DataFrame(
        {
            "kind": np.array(KINDS, dtype=object)[kind],
            "label": classes[label],
            "layer": numbers[layer],
            "other_layer": numbers[other],
            "cosine": between.ravel(),
        }
    )
