"""How many tokens have which activation: counted in one pass, whatever their range turns out to be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

STEPS = 16  # bins of equal width between a power of two and the next
LOWEST, OCTAVES = -24, 64  # what is smaller than 2^-24 counts as nearly nothing; what exceeds 2^40, as about that


@dataclass
class Histogram:
    """Counts in fixed bins, whose width doubles with every power of two; zeros are counted apart.

    Because every edge is a multiple of a smaller bin's width, bins merge without remainder into equal ones as wide as
    those of the largest activation.
    """

    counts: Int[np.ndarray, "sign octave step"] = field(
        default_factory=lambda: np.zeros((2, OCTAVES, STEPS), dtype=np.int64)
    )
    zeros: int = 0

    def add(self, values: Float[np.ndarray, " token"]) -> None:
        """Count these activations."""
        some = values[values != 0].astype(np.float64)
        mantissa, exponent = np.frexp(np.abs(some))
        octave = exponent - 1 - LOWEST
        step = np.where(octave < 0, 0, np.where(octave >= OCTAVES, STEPS - 1, (2 * mantissa - 1) * STEPS)).astype(int)
        np.add.at(self.counts, ((some < 0).astype(int), octave.clip(0, OCTAVES - 1), step), 1)
        self.zeros += len(values) - len(some)

    def bins(self) -> tuple[Float[np.ndarray, " edge"], Int[np.ndarray, " bin"]]:
        """Edges of equally wide bins from the smallest activation to the largest, and the tokens in each.

        An activation on an edge counts for the bin that is further from zero. Without one that is not zero there is no
        bin, and one edge.
        """
        used = np.flatnonzero(self.counts.any((0, 2)))
        if not len(used):
            return np.zeros(1), np.zeros(0, np.int64)
        top = int(used[-1])
        width = 2.0 ** (top + LOWEST) / STEPS
        octave, step = np.indices((top + 1, STEPS))
        place = 2.0 ** (octave - top) * (STEPS + step)  # of the fine bin's lower end, in such widths
        place = np.where(octave == 0, 0, place).astype(int).ravel()
        below, above = (np.bincount(place, side[: top + 1].ravel(), 2 * STEPS) for side in self.counts[::-1])
        tokens = np.concatenate([below[::-1], above]).astype(np.int64)
        low, high = np.flatnonzero(tokens)[[0, -1]]
        return (np.arange(low, high + 2) - 2 * STEPS) * width, tokens[low : high + 1]
