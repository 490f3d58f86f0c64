"""What every analysis returns, beside its numbers: self-checks, units, and a reading in plain sentences."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

import numpy as np
import pandas as pd

#: What a column measures, by its name: the same in every analysis, but for what a result's `column_units` say.
UNITS = {
    **dict.fromkeys(("probability", "target_probability", "prediction_probability"), "probability"),
    **dict.fromkeys(("probability_before", "probability_after", "probability_goal"), "probability"),
    "probability_change": "probability",
    **dict.fromkeys(("logit", "logit_change", "logit_before", "logit_after", "logit_goal"), "logits"),
    **dict.fromkeys(("contribution", "cumulative", "direct", "foretold"), "logits"),
    **dict.fromkeys(("surprisal", "entropy", "kl", "kl_to_final"), "bits"),
    **dict.fromkeys(("cross_entropy", "cross_entropy_spliced", "cross_entropy_ablated"), "bits per token"),
    **dict.fromkeys(("restored", "moved"), "share of the gap"),
    "weight": "share of attention",
    "activation": "activation",
    "share_of_max": "share of the largest known activation",
    "density": "share of tokens",
    "things": "unrelated things",
    "share_of_effect": "share of the effect",
    "effect": "logits per unit",
    "cosine": "cosine",
    "l0": "features per token",
    "explained_variance": "share of the variance",
    "mean_squared_error": "activation²",
    "recovered": "share of the loss",
    "perplexity": "perplexity",
    "seconds": "seconds",
    "megabytes": "megabytes",
}


@dataclass(frozen=True)
class Check:
    """An identity that must hold, measured on this very run.

    `name` says what must hold, `error` is the largest absolute deviation found, `tolerance` the most that
    rounding explains.
    """

    name: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # NaN compares false: a broken number never passes


@dataclass(frozen=True)
class Reading:
    """A result in words: `title` states the finding, `sentences` say what else the numbers show."""

    title: str
    sentences: tuple[str, ...]


class Result(Protocol):
    """The shape of every analysis' result; results are frozen dataclasses of arrays and plain values.

    One of a model names it in a field `model`. One whose columns measure something else than `UNITS` says has
    `column_units`, {table: {column: unit}}.
    """

    @property
    def checks(self) -> tuple[Check, ...]:
        """What must hold of the numbers, measured on this very run."""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tidy frames, one row per number, columns named by the field's terms."""

    def reading(self) -> Reading:
        """The finding as a title and one to three sentences, computed from the numbers."""


ROUNDING = 1e-5


def same_length(result: Any, *names: str) -> None:
    """Raises ValueError unless these fields of a result have as many entries each."""
    lengths = {name: len(getattr(result, name)) for name in names}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{type(result).__name__} holds fields of unequal length: {lengths}")


def within(result: Any, low: float, high: float, *names: str) -> None:
    """Raises ValueError unless every number of these fields lies from `low` to `high`, but for rounding; NaN may be."""
    for name in names:
        numbers = np.asarray(getattr(result, name))
        if ((numbers < low - ROUNDING) | (numbers > high + ROUNDING)).any():
            raise ValueError(f"{type(result).__name__}.{name} holds a number that is not from {low:g} to {high:g}")


def whole_numbers(values: Iterable[int]) -> pd.arrays.IntegerArray:
    """A column of whole numbers in which −1 means none."""
    return pd.array([None if value < 0 else value for value in values], dtype="Int64")


def units_of(result: Result, tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, str]]:
    """{table: {column: unit}} for the columns of a result's `tables` that have one."""
    own = getattr(result, "column_units", {})
    return {
        name: {column: unit for column in frame if (unit := (UNITS | own.get(name, {})).get(column))}
        for name, frame in tables.items()
    }


def check_axes(result: Any, **lengths: int) -> None:
    """See that arrays have the axes that their annotations name, and that axes of one name are equally long.

    Args:
        result: A dataclass with jaxtyping annotations.
        lengths: Of axes that are known beforehand, such as ``pos=len(tokens)``.

    Raises:
        ValueError: It is not so.
    """
    for name, axes in _axes_of(type(result)).items():
        shape = getattr(result, name).shape
        if len(shape) != len(axes):
            raise ValueError(f"{name} has shape {shape}, not [{' '.join(axes)}]")
        for axis, length in zip(axes, shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(f"{name} has {length} along {axis}, not {lengths[axis]}")


@functools.cache
def _axes_of(kind: type) -> dict[str, list[str]]:
    """Names of the axes of every array, from a dataclass' annotations."""
    hints = get_type_hints(kind)
    return {name: hint.dim_str.split() for name, hint in hints.items() if hasattr(hint, "dim_str")}
