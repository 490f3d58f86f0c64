"""How much of what one head writes another can read, from the weights alone.

With M₁ = W_V W_O of the earlier head, and M₂ = W_Q W_Kᵀ (Q), W_K W_Qᵀ (K) or W_V W_O (V) of the later one, the score is
‖M₁ M₂‖ / (‖M₁‖ ‖M₂‖) (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").

No d_model × d_model product of a pair is formed: with M₁ᵀM₁ = A and M₂M₂ᵀ = B, ‖M₁ M₂‖² is the sum of A ∘ B, so that
one matrix product gives all pairs.

Chance is a pair of heads that know nothing of each other: one turned at random against the other. Then the mean of the
squared score is exactly 1/d_model, and its variance 2 (a − 1/d)(b − 1/d) / ((d − 1)(d + 2)), with a = ‖A‖² / (tr A)², b
alike, d = d_model (the second moment of a Haar-random rotation). So the spread is that of these very heads: a head that
reads or writes few directions meets another's by chance more often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.heads.weights import HeadWeights

KINDS = ("Q", "K", "V")
MOST_BYTES = 96 * 2**20  # of products held at once


@dataclass(frozen=True)
class Side:
    """One side of every pair: factors whose product with the other side's has the norm of M₁ M₂."""

    factor: Float[Tensor, "head k d_model"]
    """Its Gram matrix over k is A, or B."""

    @property
    def trace(self) -> Float[Tensor, " head"]:
        """tr A: the squared norm of M."""
        return self.factor.double().pow(2).sum((1, 2))

    @property
    def concentration(self) -> Float[Tensor, " head"]:
        """‖A‖² / (tr A)²: 1 where it is a single direction, 1/d_model where it is all of them alike."""
        gram = self.factor @ self.factor.mT
        return gram.double().pow(2).sum((1, 2)) / self.trace.square()


def writing(heads: Sequence[HeadWeights]) -> Side:
    """M₁ of every head: what it writes, weighed by how strongly it reads for it."""
    return Side(torch.cat([_triangle(layer.w_v) @ layer.w_o for layer in heads]))


def reading(heads: Sequence[HeadWeights], kind: str) -> Side:
    """M₂ of every head: what its queries (Q), keys (K) or values (V) read."""
    if kind == "V":
        return Side(torch.cat([_triangle(layer.w_o.mT) @ layer.w_v.mT for layer in heads]))
    sides = [(layer.w_q, layer.w_k) if kind == "Q" else (layer.w_k, layer.w_q) for layer in heads]
    return Side(torch.cat([_triangle(other) @ own.mT for own, other in sides]))


def _triangle(w: Float[Tensor, "head d_model k"]) -> Float[Tensor, "head r k"]:
    """R with ‖W X‖ = ‖R X‖ for every X."""
    return torch.linalg.qr(w, mode="r").R


def squared_norms(first: Side, seconds: Sequence[Side]) -> Iterator[tuple[int, int, Float[Tensor, "kind head head"]]]:
    """‖M₁ M₂‖² of all pairs, summed over rows of A ∘ B: (rows done, rows in all, the sum so far)."""
    left, right = first.factor, torch.stack([second.factor for second in seconds])
    kinds, n, _, d = right.shape
    right = right.flatten(0, 1)
    step = max(1, min(d, MOST_BYTES // ((kinds + 1) * n * d * 4)))
    total = left.new_zeros(n, kinds * n, dtype=torch.float64)
    for start in range(0, d, step):
        a, b = (x[:, :, start : start + step].mT @ x[:, :, start:] for x in (left, right))
        a[:, :, a.shape[1] :] *= 2  # A and B are symmetric: what lies beyond the block comes twice
        total += (a.flatten(1) @ b.flatten(1).T).double()
        yield min(start + step, d), d, total.unflatten(1, (kinds, n)).transpose(0, 1)


def scores(
    squares: Float[Tensor, "kind head head"], first: Side, seconds: Sequence[Side]
) -> Float[Tensor, "kind head head"]:
    """‖M₁ M₂‖ / (‖M₁‖ ‖M₂‖); 0 where a head reads or writes nothing."""
    whole = first.trace[:, None] * torch.stack([second.trace for second in seconds])[:, None]
    return (squares.clamp(min=0) / whole).sqrt().nan_to_num(0.0)


def chance(d_model: int) -> float:
    """The score of heads that know nothing of each other."""
    return d_model**-0.5


def spread(first: Side, seconds: Sequence[Side], d_model: int) -> Float[Tensor, "kind head head"]:
    """The standard deviation of such a score: that of its square, by the slope of the root."""
    a, b = first.concentration[:, None], torch.stack([second.concentration for second in seconds])[:, None]
    variance = 2 * (a - 1 / d_model) * (b - 1 / d_model) / ((d_model - 1) * (d_model + 2))
    return variance.clamp(min=0).sqrt() / (2 * chance(d_model))
