"""In how few parts an effect lies: the strongest first, whatever their sign."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

MOST = 0.8  # the share of an effect that counts as most of it


def gathered(contribution: Float[np.ndarray, " part"]) -> Float[np.ndarray, " rank"]:
    """Share of the whole effect in the strongest part, the two strongest, …; effects count by size, not by sign."""
    size = np.sort(np.abs(contribution.astype(np.float64)))[::-1]
    whole = size.sum()
    return np.cumsum(size) / whole if whole > 0 else np.zeros_like(size)


def needed(contribution: Float[np.ndarray, " part"], share: float = MOST) -> int:
    """How many of the strongest parts hold that share of the effect; 0 where there is none."""
    so_far = gathered(contribution)
    return int(np.searchsorted(so_far, share - 1e-9) + 1) if so_far.any() else 0
