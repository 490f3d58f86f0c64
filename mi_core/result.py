"""What every analysis returns, beside its numbers: self-checks and a reading in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

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


def whole_numbers(values: Iterable[int]) -> pd.arrays.IntegerArray:
    """A column of whole numbers in which −1 means none."""
    return pd.array([None if value < 0 else value for value in values], dtype="Int64")
