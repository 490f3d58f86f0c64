"""Faithfulness against the size of a circuit: at which sizes it is measured, and what the whole curve says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

#: Shares of all parts at which circuits are graded (MIB, Mueller et al. 2025).
SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
ROUNDING = 1e-6
AT_ONCE = 8  # sizes that are tried between two others before the next choice


def sizes(n_parts: int) -> list[int]:
    """How many parts these shares are, each size once, from none to all."""
    return sorted({round(share * n_parts) for share in SHARES})


def between(low: int, high: int) -> list[int]:
    """Sizes to try between one that is too small and one that is large enough; none where they are neighbours."""
    inner = np.linspace(low, high, min(AT_ONCE, high - low - 1) + 2).round().astype(int)[1:-1]
    return sorted({int(size) for size in inner} - {low, high})


def reaches(faithfulness: float, level: float) -> bool:
    """Whether it is as near to 1: a circuit that says far more than the model does something else than the model."""
    return abs(1 - faithfulness) <= 1 - level + ROUNDING


def smallest(size: Sequence[int], faithfulness: Float[np.ndarray, " size"], level: float) -> tuple[int, int] | None:
    """The smallest size measured that is as faithful, and the next smaller one measured; None where none is."""
    order = np.argsort(size)
    for i, at in enumerate(order):
        if reaches(float(faithfulness[at]), level):
            return size[at], size[order[i - 1]] if i else 0
    return None


def areas(size: Sequence[int], faithfulness: Float[np.ndarray, " size"]) -> tuple[float, float]:
    """Area under the curve (CPR), and between it and 1 (CMD), over the share of parts kept, by trapezoids.

    Both from one ranking: a curve that never exceeds 1 has CPR + CMD = 1.
    """
    share = np.asarray(size, dtype=float) / max(size)
    return float(np.trapezoid(faithfulness, share)), float(np.trapezoid(np.abs(1 - faithfulness), share))


def drawn(
    n_parts: int, size: Sequence[int], draws: int, rng: np.random.Generator
) -> Bool[np.ndarray, "size draw part"]:
    """Random circuits of these sizes: in each draw the smaller ones are parts of the larger ones."""
    rank = np.stack([rng.permutation(n_parts) for _ in range(draws)])
    return rank[None] < np.asarray(size)[:, None, None]
