"""What the slope at the embeddings says: its length, its product with the embedding, and its integral."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.legendre import legendre
from mi_core.saliency.game import Game

MOST_STEPS = 512
COMPLETE = 1e-3  # of the gap: an integral that is closer is close enough


def at_input(game: Game) -> Float[Tensor, "pos d_model"]:
    """The slope at the prompt itself."""
    return next(iter(game.gradients([game.x[None]])))[0]


def norms(game: Game, slope: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " player"]:
    """How steep the number is in each player's embeddings: the gradient's Euclidean length (Li et al. 2016)."""
    squares = slope.double().pow(2).sum(-1)
    return np.sqrt(_per_player(game, squares))


def times_input(game: Game, slope: Float[Tensor, "pos d_model"]) -> Float[np.ndarray, " player"]:
    """The gradient times what would be taken away: a straight line's guess of leave-one-out (Shrikumar et al. 2017)."""
    return _per_player(game, ((game.x - game.away).double() * slope.double()).sum(-1))


def integrated(game: Game, n_steps: int) -> tuple[Float[np.ndarray, " player"], int]:
    """Integrated gradients (Sundararajan et al. 2017), and the steps that they took.

    The slope along the straight way from the replaced embeddings to the prompt's own, integrated by Gauss-Legendre
    quadrature: the scores sum to the gap but for its error, which more steps make smaller.

    Args:
        game: The players.
        n_steps: To begin with; doubled until the sum is off by at most `COMPLETE` of the gap, up to `MOST_STEPS`.
    """
    while True:
        scores = _integral(game, n_steps)
        if abs(scores.sum() - game.gap) <= COMPLETE * game.scale or n_steps >= MOST_STEPS:
            return scores, n_steps
        n_steps = min(2 * n_steps, MOST_STEPS)


def _integral(game: Game, n_steps: int) -> Float[np.ndarray, " player"]:
    shares, weight = legendre(n_steps)
    weights = torch.tensor(weight, dtype=torch.float64).split(game.rows_at_once)
    way = game.x - game.away
    total = torch.zeros(way.shape, dtype=torch.float64)
    for weight, slopes in zip(weights, game.gradients(_points(game, shares)), strict=True):
        total += torch.einsum("r,rpd->pd", weight, slopes.cpu().double())
    return _per_player(game, (way.cpu().double() * total).sum(-1))


def _points(game: Game, shares: Float[np.ndarray, " step"]) -> Iterator[Float[Tensor, "row pos d_model"]]:
    """Places on the straight way, in batches."""
    start, way = game.away, game.x - game.away
    for some in torch.tensor(shares, dtype=way.dtype, device=way.device).split(game.rows_at_once):
        yield start + some[:, None, None] * way


def _per_player(game: Game, per_position: Float[Tensor, " pos"]) -> Float[np.ndarray, " player"]:
    numbers = per_position.numpy(force=True)
    return np.array([numbers[list(player.positions)].sum() for player in game.players])
