"""Where a probe points: directions in the residual stream, from all texts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from mi_core.probing.fit import Inputs, Labels, fitted

KINDS = ("logistic", "mean difference")


def directions(x: Inputs, y: Labels, n_classes: int, c: float) -> Float[np.ndarray, "kind class_ d_model"]:
    """Unit directions towards each class, in the order of `KINDS`.

    Logistic: the probe's weights, taken back through its scaler, less their mean over the classes. Mean difference: the
    mean activation of the class less that of the others. Where two are the same, or nothing is learned, zeros.
    """
    probe = fitted(x, y, c)
    scaler, logistic = probe[0], probe[-1]
    weights = logistic.coef_ / scaler.scale_
    weights = np.concatenate([-weights, weights]) if n_classes == 2 else weights - weights.mean(0)
    means = np.stack([x[y == k].mean(0) - x[y != k].mean(0) for k in range(n_classes)])
    return np.stack([_unit(weights), _unit(means)])


def _unit(vectors: Float[np.ndarray, "class_ d_model"]) -> Float[np.ndarray, "class_ d_model"]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
