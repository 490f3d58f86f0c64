"""How alike two sets of vectors are, read of the same tokens: linear centred kernel alignment (CKA)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

FEWEST = 4  # tokens that the debiased estimate needs


def linear_cka(x: Float[Tensor, "token d_x"], y: Float[Tensor, "token d_y"], *, debiased: bool = False) -> float:
    """``‖Yᵀ X‖² / (‖Xᵀ X‖ ‖Yᵀ Y‖)`` of centred columns (Kornblith et al. 2019, "Similarity of neural network
    representations revisited"): 1 where one is the other turned, and stretched in all directions alike.

    With few tokens for many dimensions, even vectors that have nothing in common are alike by chance. `debiased` takes
    that away (Song et al. 2012, as Nguyen et al. 2021 use it): it is about 0 for such, and may fall below.

    Args:
        x: Vectors of one model, a row per token.
        y: Those of the other, of the same tokens.
        debiased: See above.

    Returns:
        From 0 to 1, but for the debiased estimate; NaN where all vectors of one are the same.
    """
    one, other = (_gram(each.double()) for each in (x, y))
    estimate = _unbiased if debiased else _plain
    size = estimate(one, one) * estimate(other, other)
    return float(estimate(one, other) / size.sqrt()) if size > 0 else float("nan")


def cka_by_dimensions(x: Float[Tensor, "token d_x"], y: Float[Tensor, "token d_y"]) -> float:
    """The same as the plain `linear_cka`, by the other way of counting: over pairs of dimensions, not of tokens."""
    x, y = (each.double() - each.double().mean(0) for each in (x, y))
    size = torch.linalg.norm(x.T @ x) * torch.linalg.norm(y.T @ y)
    return float(torch.linalg.norm(x.T @ y) ** 2 / size) if size > 0 else float("nan")


def _gram(x: Float[Tensor, "token d"]) -> Float[Tensor, "token token"]:
    """Inner products of all pairs, of columns that are centred: shifts fall out, and rounding stays small."""
    centred = x - x.mean(0)
    return centred @ centred.T


def _plain(k: Float[Tensor, "token token"], other: Float[Tensor, "token token"]) -> Tensor:
    return (k * other).sum()


def _unbiased(k: Float[Tensor, "token token"], other: Float[Tensor, "token token"]) -> Tensor:
    """HSIC₁ of Song et al. 2012, but for a factor that both sides of the fraction have."""
    n = len(k)
    a, b = (each - torch.diag(each.diagonal()) for each in (k, other))
    return (a * b).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (a.sum(0) * b.sum(0)).sum()
