"""What every analysis returns, beside its numbers: self-checks and a reading in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd


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
    """The shape of every analysis' result; results are frozen dataclasses of arrays and plain values."""

    model: str
    checks: tuple[Check, ...]

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
