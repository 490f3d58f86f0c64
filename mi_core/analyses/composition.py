"""Which heads hear which: how well what one head writes fits what another reads, from the weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.heads import composition as pairs
from mi_core.heads.composition import KINDS, Side
from mi_core.heads.weights import Gains, HeadWeights, check_gains, head_weights
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed
from mi_core.result import Check, Reading, check_axes, within

MOST_ROWS = 100_000  # of the table
TURNED = 48  # heads of the control
FAR = 5.0  # standard deviations: what a turned head hardly ever reaches
READ_BY = {"Q": "queries", "K": "keys", "V": "values"}


@dataclass(frozen=True)
class Composition:
    """Q-, K- and V-composition of every pair of heads of which one comes before the other."""

    model: str
    """Id of the model."""
    gains: str
    """``"raw"`` or ``"folded"``."""
    from_layer: Int[np.ndarray, " pair"]
    """[pair] The earlier head's layer."""
    from_head: Int[np.ndarray, " pair"]
    """[pair] The earlier head."""
    to_layer: Int[np.ndarray, " pair"]
    """[pair] The later head's layer."""
    to_head: Int[np.ndarray, " pair"]
    """[pair] The later head."""
    score: Float[np.ndarray, "kind pair"]
    """[kind, pair] ‖M₁M₂‖ / (‖M₁‖‖M₂‖), for Q, K and V in this order."""
    spread: Float[np.ndarray, "kind pair"]
    """[kind, pair] Standard deviation of the score, were one of the two heads turned at random."""
    chance: float
    """The score of heads turned at random: 1/√d_model."""
    turned: float
    """The largest of the control, in standard deviations above chance: the same heads, one of each pair turned."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "score from 0 to 1; standard deviations above chance"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, kind=len(KINDS))
        within(self, 0, 1, "score")

    @property
    def sd_above_chance(self) -> Float[np.ndarray, "kind pair"]:
        """[kind, pair] How far the score is above chance; 0 where it cannot differ from it."""
        above = self.score - self.chance
        return np.divide(above, self.spread, out=np.zeros_like(above), where=self.spread > 0)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`scores`: a row per kind and pair, the furthest above chance first; of very many, the first 100,000."""
        above = self.sd_above_chance
        order = np.argsort(-above, axis=None, kind="stable")[:MOST_ROWS]
        kind, pair = np.unravel_index(order, above.shape)
        columns = {
            "kind": np.asarray(KINDS)[kind],
            "from_layer": self.from_layer[pair],
            "from_head": self.from_head[pair],
            "to_layer": self.to_layer[pair],
            "to_head": self.to_head[pair],
            "score": self.score[kind, pair],
            "chance": self.chance,
            "sd_above_chance": above[kind, pair],
        }
        return {"scores": pd.DataFrame(columns)}

    def reading(self) -> Reading:
        """The pair that fits best, the best of each kind, and what chance gives."""
        above = self.sd_above_chance
        kind, pair = np.unravel_index(int(above.argmax()), above.shape)
        best = float(above[kind, pair])
        if best < FAR:
            return Reading("No head writes what another reads, beyond chance", (self._control(),))
        sender, receiver = self._names(int(pair))
        title = (
            f"{sender} writes what {receiver}’s {READ_BY[KINDS[kind]]} read: {best:.0f} standard deviations above "
            "chance"
        )
        return Reading(title, (*(self._strongest(k) for k in range(len(KINDS))), self._control()))

    def _names(self, pair: int) -> tuple[str, str]:
        return (
            f"L{self.from_layer[pair]}H{self.from_head[pair]}",
            f"L{self.to_layer[pair]}H{self.to_head[pair]}",
        )

    def _strongest(self, kind: int) -> str:
        above = self.sd_above_chance[kind]
        order = [int(pair) for pair in np.argsort(-above)[:3] if above[pair] >= FAR]
        name = READ_BY[KINDS[kind]].capitalize()
        if not order:
            return f"{name}: no pair is {FAR:.0f} above chance."
        told = [f"{' → '.join(self._names(pair))} ({above[pair]:.0f})" for pair in order]
        return f"{name}: {listed(told)}."

    def _control(self) -> str:
        return (
            f"Chance is a score of {self.chance:.3f}. As a control the same heads were turned at random: the largest "
            f"of them is {self.turned:.1f} standard deviations above it."
        )


def composition(model: Model, *, gains: Gains = "raw", progress: Progress = silent) -> Composition:
    """Score every pair of heads by how much of what the earlier one writes the later one can read.

    ``‖M₁M₂‖ / (‖M₁‖‖M₂‖)`` with M₁ = W_V W_O of the earlier head, and M₂ = W_Q W_Kᵀ (Q), W_K W_Qᵀ (K) or W_V W_O (V) of
    the later one (Elhage et al. 2021). No text is read: it says what two heads could tell each other, not that they do;
    path patching shows whether an answer depends on it. Biases, norms of queries and keys, and what MLPs between the
    two do are left out.

    Args:
        model: The model.
        gains: ``"raw"``: the matrices as they are. ``"folded"``: with the gains of the norms that they read through.
        progress: Called as the pairs are gone through.

    Returns:
        The scores; chance, 1/√d_model, which heads have that know nothing of each other; and how many standard
        deviations above it each is. The spread is that of these very two heads, one turned at random: it is wider for
        heads that read and write few directions.

    Raises:
        InputError: The model has no matrices of each head, or fewer than two layers of heads; or what attention reads
            is not the stream through one norm, where gains are to be folded.
    """
    check_gains(gains)
    layers = model.layers(hooks.pattern)
    if len(layers) < 2:
        raise InputError(
            f"{model.id} has one layer of heads, so none comes before another: choose another model.", "model"
        )
    heads = [head_weights(model, layer, gains) for layer in layers]
    first, seconds = pairs.writing(heads), [pairs.reading(heads, kind) for kind in KINDS]
    squares = _squares(first, seconds, progress)
    found = pairs.scores(squares, first, seconds).numpy(force=True)
    spread = pairs.spread(first, seconds, model.d_model).numpy(force=True)
    layer = np.repeat(layers, model.n_heads)
    sender, receiver = np.nonzero(layer[:, None] < layer[None])
    return Composition(
        model=model.id,
        gains=gains,
        from_layer=layer[sender],
        from_head=sender % model.n_heads,
        to_layer=layer[receiver],
        to_head=receiver % model.n_heads,
        score=found[:, sender, receiver],
        spread=spread[:, sender, receiver],
        chance=pairs.chance(model.d_model),
        turned=_turned(first, seconds, model.d_model),
        checks=(_dense(heads, found, sender, receiver),),
    )


@torch.no_grad()
def _squares(first: Side, seconds: Sequence[Side], progress: Progress = silent) -> Float[Tensor, "kind head head"]:
    squares = torch.zeros(())
    for done, total, so_far in pairs.squared_norms(first, seconds):
        progress(done, total)
        squares = so_far
    return squares


def _turned(first: Side, seconds: Sequence[Side], d_model: int) -> float:
    """The largest score of some heads in standard deviations above chance, with the later ones turned at random."""
    n = len(first.factor)
    some = torch.linspace(0, n - 1, min(n, TURNED), dtype=torch.float64).round().long()
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(d_model, d_model, generator=random)).Q.to(first.factor)
    few, turned = Side(first.factor[some]), [Side(second.factor[some] @ turn) for second in seconds]
    found = pairs.scores(_squares(few, turned), few, turned)
    spread = pairs.spread(few, turned, d_model)
    return float(((found - pairs.chance(d_model)) / spread.clamp(min=1e-12)).max())


def _dense(
    heads: Sequence[HeadWeights],
    found: Float[np.ndarray, "kind head head"],
    sender: Int[np.ndarray, " pair"],
    receiver: Int[np.ndarray, " pair"],
) -> Check:
    """Three pairs, one of each kind, against the whole matrices."""
    random, error = np.random.default_rng(0), 0.0
    for kind, pair in enumerate(random.integers(len(sender), size=len(KINDS))):
        earlier, later = (_head(heads, int(side[pair])) for side in (sender, receiver))
        one = earlier.w_v @ earlier.w_o
        other = later.w_v @ later.w_o if kind == 2 else later.w_q @ later.w_k.mT
        other = other.mT if kind == 1 else other
        score = float((one @ other).norm() / (one.norm() * other.norm()))
        error = max(error, abs(score - float(found[kind, sender[pair], receiver[pair]])))
    return Check("three pairs score as their whole matrices do", error, 1e-5)


def _head(heads: Sequence[HeadWeights], number: int) -> HeadWeights:
    layer, head = divmod(number, len(heads[0].w_v))
    of = heads[layer]
    return HeadWeights(*(w[head : head + 1].double() for w in (of.w_q, of.w_k, of.w_v, of.w_o)))
