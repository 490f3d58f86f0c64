"""Which letter follows which: the pairs in a list of words, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

#: What stands before the first letter and after the last one: one sign, which every word begins and ends with.
EDGE = "\0"
START, END = "start", "end"


@dataclass(frozen=True)
class Pairs:
    """Counts of neighbours; row and column 0 are the edge of a word, its start as a row and its end as a column."""

    signs: tuple[str, ...]
    """[sign] The edge, then the letters in the order of their code points."""
    counts: Int[np.ndarray, "sign next"]
    """How often each sign is followed by each."""

    @property
    def rows(self) -> list[str]:
        """What each row is called."""
        return [START, *self.signs[1:]]

    @property
    def columns(self) -> list[str]:
        """What each column is called."""
        return [END, *self.signs[1:]]

    @property
    def share(self) -> Float[np.ndarray, "sign next"]:
        """Of all pairs."""
        return self.counts / self.counts.sum()

    @property
    def probability(self) -> Float[np.ndarray, "sign next"]:
        """Of each next sign, as counted: no row is empty, since every letter is followed by something."""
        return self.counts / self.counts.sum(-1, keepdims=True)

    @property
    def mean_length(self) -> float:
        """Letters in a word: every pair but one for each word ends in a letter."""
        return float(self.counts[:, 1:].sum() / self.counts[0].sum())


def count_pairs(words: Sequence[str]) -> Pairs:
    """Count them; at least one word, none of them empty."""
    counted = Counter(pair for word in words for pair in pairwise((EDGE, *word, EDGE)))
    signs = (EDGE, *sorted({letter for word in words for letter in word}))
    counts = np.array([[counted[first, second] for second in signs] for first in signs])
    return Pairs(signs, counts)


def length_shares(words: Iterable[str], longest: int) -> Float[np.ndarray, " length"]:
    """The share of words of each length from 0 to `longest`."""
    lengths = np.array([len(word) for word in words])
    return np.bincount(np.minimum(lengths, longest + 1), minlength=longest + 2)[: longest + 1] / len(lengths)
