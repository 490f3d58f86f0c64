"""A residual stream as features of an SAE and what it leaves unexplained, and what each of them reads.

Features and errors at one place are all of the stream there (Marks et al. 2024, "Sparse Feature Circuits"), so that
whatever goes through the place goes through them. A feature reads the stream along its encoder's row; a change of its
activation is divided among what came in in proportion to that, whatever its activation function.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.graphs.kinds import ERROR, FEATURE, OTHERS, START
from mi_core.graphs.nodes import Node
from mi_core.saes.sae import Sae

ALONG = 1e-3  # cosine: an encoder's row that meets less of the change than this says nothing about where it came from
NOTHING = 1e-6  # share of the largest piece: less is rounding


@dataclass(frozen=True)
class FeatureNodes:
    """The nodes of one place, and what each reads: its row's product with the stream's change is its score."""

    nodes: list[Node]
    reads: Float[Tensor, "node d_model"]


@torch.no_grad()
def feature_nodes(
    sae: Sae,
    clean: Float[Tensor, "pos d_model"],
    other: Float[Tensor, "pos d_model"] | None,
    worth: Float[Tensor, "pos d_model"],
    unread: Bool[Tensor, " pos"],
    most: int,
) -> FeatureNodes:
    """The strongest features one by one, all others of a position together, and the error of each position.

    Args:
        sae: The SAE of the place.
        clean: The prompt's stream.
        other: The second prompt's; None for the stream itself instead of its change.
        worth: What each direction is worth to the answer.
        unread: Positions that SAEs are not trained on: the start token.
        most: Features to tell apart.

    Raises:
        InputError: An SAE of a kind whose rows cannot be read.
    """
    change = clean if other is None else clean - other
    amounts = _amounts(sae, clean, unread)
    error = torch.where(unread[:, None], clean, clean - sae.decode(sae.encode(clean), clean))
    if other is not None:
        amounts = amounts - _amounts(sae, other, unread)
        error = change - amounts @ _directions(sae)
    pos, number = amounts.nonzero(as_tuple=True)
    amount = amounts[pos, number]
    writes = amount[:, None] * sae.directions(number)
    scores = (writes * worth[pos]).sum(-1)
    reads = _reads(sae, number, change[pos], amount if other is not None else None)
    reads = reads * (scores / amount if other is None else scores)[:, None]
    chosen = scores.abs().argsort(descending=True, stable=True)[:most]
    kept = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    kept[chosen] = True

    level, hook, found, rows = sae.residual_layer, sae.hook, [], []
    for i in chosen.tolist():
        score, size = float(scores[i]), float(amount[i])
        found.append(Node(FEATURE, level, int(pos[i]), int(number[i]), writes[i], hook, score, size))
        rows.append(reads[i])
    for at in range(len(clean)):
        here, rest = pos == at, (pos == at) & ~kept
        if rest.any():
            piece = writes[rest].sum(0)
            found.append(Node(OTHERS, level, at, -1, piece, hook, float(piece @ worth[at])))
            rows.append(reads[rest].sum(0))
        if error[at].norm() > NOTHING * (1 + clean[at].norm()):
            kind = START if unread[at] else ERROR
            found.append(Node(kind, level, at, -1, error[at], hook, float(error[at] @ worth[at])))
            rows.append(worth[at] - reads[here].sum(0))
    return FeatureNodes(found, torch.stack(rows) if rows else worth[:0])


def _amounts(sae: Sae, x: Float[Tensor, "pos d_model"], unread: Bool[Tensor, " pos"]) -> Float[Tensor, "pos d_sae"]:
    return torch.where(unread[:, None], torch.zeros((), device=x.device), sae.amounts(x))


def _directions(sae: Sae) -> Float[Tensor, "d_sae d_model"]:
    return sae.directions(list(range(sae.d_sae)))


def _reads(
    sae: Sae, number: Tensor, change: Float[Tensor, "feature d_model"], moved: Float[Tensor, " feature"] | None
) -> Float[Tensor, "feature d_model"]:
    """What each feature reads of the stream: of one stream its encoder's row as it is, of a change so scaled that its
    product with the change is 1.
    """
    rows = getattr(sae.inner, "W_enc", None)
    if rows is None:
        raise InputError(
            f"The SAE at {sae.hook} has no encoder's rows that say what a feature reads: draw heads and MLPs instead.",
            "basis",
        )
    rows = rows[:, number].T
    gain = getattr(sae.inner, "r_mag", None)
    if isinstance(gain, Tensor):  # of a gated SAE, whose two encoders share their rows
        rows = rows * gain[number].exp()[:, None]
    if sae.centred:
        rows = rows - rows.mean(-1, keepdim=True)
    if moved is None:
        return rows
    met = (rows * change).sum(-1)
    blind = met.abs() < ALONG * rows.norm(dim=-1) * change.norm(dim=-1)
    rows = torch.where(blind[:, None], change, rows)
    met = torch.where(blind, (change * change).sum(-1), met)
    return rows / met[:, None].where(met[:, None] != 0, torch.ones_like(met[:, None]))
