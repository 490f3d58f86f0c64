"""Where a mean along a straight way is read: Gauss–Legendre points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def legendre(points: int) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """Shares of the way, between 0 and 1, and the weights of what is read there, which sum to 1.

    Exact for polynomials of a degree below twice as many (integrated gradients, Sundararajan et al. 2017, ask for
    such a mean).

    Args:
        points: How many.
    """
    place, weight = np.polynomial.legendre.leggauss(points)
    return (place + 1) / 2, weight / 2
