"""How features share dimensions: their arrows, and what one takes of another's place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

FITS = 0.5  # ‖W_i‖² from which more of a feature is kept than lost
DOT = 1e-3  # ‖W_i‖² below which an arrow is nothing
REACH = 0.1  # the least that the arrows reach into a dimension, squared
EVEN_DEGREES = 5.0


def dimensionality(arrows: Float[np.ndarray, "start hidden feature"]) -> Float[np.ndarray, "start feature"]:
    """``D_i = ‖W_i‖² / Σ_j (Ŵ_i · W_j)²``: the share of a dimension that feature i has to itself (Elhage et al. 2022).

    Σ D is at most the number of dimensions, by Cauchy and Schwarz, and equal to it exactly where every arrow is an
    eigenvector of ``W Wᵀ``, as in a regular shape.
    """
    squared = (arrows**2).sum(-2)
    crowding = (interference(arrows) ** 2).sum(-1)  # Σ_j (W_i · W_j)²
    return np.divide(squared**2, crowding, out=np.zeros_like(squared), where=crowding > 0)


def interference(arrows: Float[np.ndarray, "start hidden feature"]) -> Float[np.ndarray, "start feature feature"]:
    """``Wᵀ W``: on the diagonal what is kept of each feature, beside it what it adds to others unasked."""
    return np.swapaxes(arrows, -1, -2) @ arrows


def fitting(arrows: Float[np.ndarray, "start hidden feature"]) -> Bool[np.ndarray, "start feature"]:
    """The features of which more is kept than lost."""
    return (arrows**2).sum(-2) >= FITS


def regular(arrows: Float[np.ndarray, "hidden feature"]) -> bool:
    """Whether the arrows reach into every dimension and none is pulled aside by the others.

    That is: ``W Wᵀ W_i`` points along W_i, within five degrees, for every arrow that is more than a dot.
    """
    if np.linalg.svd(arrows, compute_uv=False).min() ** 2 < REACH:
        return False
    seen = arrows[:, (arrows**2).sum(0) >= DOT]
    pulled = arrows @ (arrows.T @ seen)
    along = (pulled * seen).sum(0) / (np.linalg.norm(pulled, axis=0) * np.linalg.norm(seen, axis=0))
    return bool((along >= np.cos(np.radians(EVEN_DEGREES))).all())


def gaps(arrows: Float[np.ndarray, "two feature"]) -> Float[np.ndarray, " gap"]:
    """Degrees between the neighbouring arrows of the features that fit into a plane, all the way round."""
    x, y = arrows[:, fitting(arrows[None])[0]]
    angles = np.sort(np.degrees(np.arctan2(y, x)))
    return np.diff(angles, append=angles[:1] + 360)
