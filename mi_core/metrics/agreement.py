"""How well estimates agree with what was measured of some of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

FEWEST = 3  # measured: with fewer any line fits


def agreement(estimated: Float[np.ndarray, "*any"], measured: Float[np.ndarray, "*any"]) -> float:
    """Pearson's r over those that were measured; NaN for fewer than `FEWEST`, or where one side is all the same.

    Args:
        estimated: Every estimate.
        measured: The same as measured; NaN where it was not.
    """
    known = np.isfinite(measured)
    if known.sum() < FEWEST or estimated[known].std() == 0 or measured[known].std() == 0:
        return float("nan")
    return float(np.corrcoef(estimated[known], measured[known])[0, 1])
