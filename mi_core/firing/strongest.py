"""The texts in which a unit fires most, and as many at random: all that is kept of any number of texts."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from mi_core.firing.histogram import Histogram
from mi_core.firing.passages import Passage

SEED = "texts at random"


@dataclass(frozen=True)
class Peak:
    """The passage of a text in which the unit's activation is largest."""

    text: int
    """Number of the text in its file, from 0."""
    passage: int
    """Number of the passage in its text, from 0."""
    activation: float
    """The largest."""
    pos: int
    """Where it is in the passage, the start token counted."""
    ids: tuple[int, ...]
    """[pos] The passage's tokens."""
    values: tuple[float, ...]
    """Activations at all of them but the start token."""


@dataclass
class Strongest:
    """What is known after so many parts of the texts: at most `top_k` peaks, as many at random, and counts."""

    top_k: int
    done: int = 0
    """Parts of texts that have been read."""
    n_tokens: int = 0
    n_texts: int = 0
    """Texts with tokens, the one that is being read left out."""
    n_firing: int = 0
    """Those of them in which the unit comes above 0."""
    total: float = 0.0
    """The sum of all activations."""
    squares: float = 0.0
    """The sum of their squares."""
    peaks: list[Peak] = field(default_factory=list)
    """The strongest, a text each; of equal ones the first."""
    drawn: list[tuple[str, Peak]] = field(default_factory=list)
    """Texts at random, each with its lot: those whose lots come first."""
    reading: Peak | None = None
    """The peak of the text that is being read, and how many passages of it have been read."""
    passages: int = 0
    histogram: Histogram = field(default_factory=Histogram)

    def add(self, rows: Sequence[Passage], values: Sequence[np.ndarray], parts: int) -> None:
        """What the next parts of the texts hold, in their order."""
        every = np.concatenate([np.empty(0), *values])
        self.histogram.add(every)
        self.n_tokens += len(every)
        self.total += float(every.sum())
        self.squares += float(every @ every)
        for row, own in zip(rows, values, strict=True):
            self._read(row, own)
        self.done += parts

    def finish(self) -> None:
        """The last text has been read."""
        if (peak := self.reading) is None:
            return
        self.n_texts += 1
        self.n_firing += peak.activation > 0
        bisect.insort(self.peaks, peak, key=lambda one: (-one.activation, one.text))
        bisect.insort(self.drawn, (_lot(peak.text), peak), key=lambda one: one[0])
        del self.peaks[self.top_k :], self.drawn[self.top_k :]
        self.reading = None

    def _read(self, row: Passage, values: np.ndarray) -> None:
        if self.reading is None or self.reading.text != row.text:
            self.finish()
            self.passages = 0
        at = int(values.argmax())
        if self.reading is None or values[at] > self.reading.activation:
            pos = at + len(row.ids) - len(values)
            kept = tuple(map(float, values))
            self.reading = Peak(row.text, self.passages, kept[at], pos, row.ids, kept)
        self.passages += 1

    def kept(self) -> dict[str, Any]:
        """All that going on later needs, as plain values."""
        counts = self.histogram.counts
        where = np.flatnonzero(counts)
        histogram = [self.histogram.zeros, where.tolist(), counts.flat[where].tolist()]
        return asdict(self) | {"histogram": histogram}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Strongest:
        """What `kept` gave, on its way again."""
        zeros, where, numbers = kept["histogram"]
        histogram = Histogram(zeros=zeros)
        histogram.counts.flat[where] = numbers
        drawn = [(lot, _peak(peak)) for lot, peak in kept["drawn"]]
        reading = None if kept["reading"] is None else _peak(kept["reading"])
        peaks = [_peak(peak) for peak in kept["peaks"]]
        return cls(**kept | {"histogram": histogram, "drawn": drawn, "reading": reading, "peaks": peaks})


def _lot(text: int) -> str:
    """The same at every reading, and whatever has been read before."""
    return hashlib.sha256(f"{SEED} {text}".encode()).hexdigest()


def _peak(plain: dict[str, Any]) -> Peak:
    kept = Peak(**plain)
    return replace(kept, ids=tuple(kept.ids), values=tuple(kept.values))
