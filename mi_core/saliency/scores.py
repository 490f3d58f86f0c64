"""What each method gives the players, and what that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mi_core.saliency import gradient, shapley, surrogate
from mi_core.saliency.game import Game
from mi_core.saliency.grade import FRACTIONS, RANDOM
from mi_core.saliency.methods import (
    INTEGRATED,
    KERNEL_SHAP,
    LEAVE_ONE_OUT,
    LIME,
    NORM,
    OCCLUSION,
    ROLLOUT,
    SHAPLEY,
    TIMES_INPUT,
    Method,
)


@dataclass(frozen=True)
class Scores:
    """What a method gives each player, the standard error of each where it samples, and what there is to say of it."""

    values: Float[np.ndarray, " player"]
    errors: Float[np.ndarray, " player"]
    steps: int = 0
    """Of an integral."""
    r_squared: float = math.nan
    """Of a straight line."""


def scored(
    game: Game, method: Method, *, window: int, n_steps: int, permutations: int | None, samples: int, seed: int
) -> Scores:
    """Share out by one method, rollout aside.

    Raises:
        InputError: It needs a slope and there is none, or more players than there are.
    """
    none = np.full(len(game.players), np.nan)
    if method == LEAVE_ONE_OUT:
        return Scores(game.leave_one_out(), none)
    if method == OCCLUSION:
        return Scores(occluded(game, window), none)
    if method == SHAPLEY:
        return Scores(*shapley.shapley(game, permutations, seed))
    if method == INTEGRATED:
        values, steps = gradient.integrated(game, n_steps)
        return Scores(values, none, steps=steps)
    if method in (NORM, TIMES_INPUT):
        read = gradient.norms if method == NORM else gradient.times_input
        return Scores(read(game, gradient.at_input(game)), none)
    if method == KERNEL_SHAP:
        return Scores(surrogate.kernel_shap(game, samples, seed), none)
    values, r_squared = surrogate.lime(game, samples, seed)
    return Scores(values, none, r_squared=r_squared)


def occluded(game: Game, window: int) -> Float[np.ndarray, " player"]:
    """Each player's mean over the windows of neighbouring players that hold it (Zeiler and Fergus 2014)."""
    n = len(game.players)
    window = min(window, n)
    lost = game.leave_one_out(window)
    return np.array([lost[max(0, i - window + 1) : i + 1].mean() for i in range(n)])


def runs_of(method: Method, n: int, *, n_steps: int, permutations: int | None, samples: int) -> int:
    """At most how many runs a method makes of `n` players; one with a slope counts as three."""
    coalitions = 2 ** min(n, 60)
    return {
        LEAVE_ONE_OUT: n,
        OCCLUSION: n,
        SHAPLEY: coalitions if n <= shapley.EXACT else shapley.orders(n, permutations) * (n - 1),
        INTEGRATED: 3 * 2 * n_steps,
        TIMES_INPUT: 3,
        NORM: 3,
        ROLLOUT: 1,
        KERNEL_SHAP: min(samples, coalitions),
        LIME: min(samples, coalitions),
    }[method] + min(2 * len(FRACTIONS), coalitions)


def runs_of_floor(n: int) -> int:
    """At most how many runs the random orders take."""
    return min(2 * len(FRACTIONS) * RANDOM, 2 ** min(n, 60))
