"""How well an order of players agrees with taking them away (DeYoung et al. 2020, "ERASER"; Attanasio et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.saliency.game import Game

FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5)  # of the players that are taken away, or alone stay
RANDOM = 20  # random orders, for the floor


@dataclass(frozen=True)
class Grade:
    """How an order of players fares.

    `comprehensiveness` is the share of the gap that is lost without the first players, `sufficiency` the share that
    is lost with only them, both averaged over `FRACTIONS`; `agreement` is Kendall's τ with leave-one-out.
    """

    comprehensiveness: float
    sufficiency: float
    agreement: float


def grade(game: Game, scores: Float[np.ndarray, " player"], removed: Float[np.ndarray, " player"]) -> Grade:
    """Of a method, whose players are taken in the order of their `scores` towards the gap.

    Args:
        game: The players.
        scores: What the method gives each.
        removed: What leave-one-out gives each.
    """
    sign = math.copysign(1.0, game.gap)
    order = np.argsort(-sign * scores, kind="stable")
    lost, kept = _lost(game, order[None])[0]
    return Grade(float(lost), float(kept), _agreement(scores, removed))


def random_floor(game: Game, removed: Float[np.ndarray, " player"], seed: int) -> Grade:
    """The mean of `RANDOM` random orders: what any method reaches without knowing anything."""
    rng, n = np.random.default_rng(seed), len(game.players)
    orders = np.array([rng.permutation(n) for _ in range(RANDOM)])
    lost, kept = _lost(game, orders).mean(0)
    sign = math.copysign(1.0, game.gap)
    agreement = np.mean([_agreement(-np.argsort(order), sign * removed) for order in orders])
    return Grade(float(lost), float(kept), float(agreement))


def _agreement(scores: np.ndarray, removed: np.ndarray) -> float:
    """Kendall's τ; NaN where one of them knows no order."""
    return pd.Series(scores).corr(pd.Series(removed), method="kendall")


def counts(n: int) -> list[int]:
    """How many of `n` players each fraction is: at least one."""
    return [max(1, math.ceil(fraction * n - 1e-9)) for fraction in FRACTIONS]


def _lost(game: Game, orders: Int[np.ndarray, "order player"]) -> Float[np.ndarray, "order 2"]:
    """Shares of the gap, averaged over the fractions: lost without the first players, and lost with them alone."""
    place = np.argsort(orders, axis=1)
    first = np.stack([place < count for count in counts(orders.shape[1])], axis=1)
    present = np.stack([~first, first], axis=2)
    values = game.values(present.reshape(-1, orders.shape[1])).reshape(present.shape[:-1])
    size = math.copysign(game.scale, game.gap)
    return ((game.full - values) / size).mean(1)
