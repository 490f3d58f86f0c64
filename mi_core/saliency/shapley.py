"""Shapley values: each player's gain, averaged over all orders in which the players could come in."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from mi_core.saliency.game import Game

EXACT = 10  # players: 1,024 coalitions
ORDERS_AT_ONCE = 10
MOST_ORDERS = 400
RUNS = 1_000  # of the model, where nobody says how many orders: some seconds in a small one
PRECISE = 0.02  # of the gap: a standard error that is small enough


def orders(n: int, permutations: int | None) -> int:
    """At most how many random orders of `n` players are tried: as many as were asked for, or as `RUNS` allow."""
    return permutations or min(MOST_ORDERS, max(ORDERS_AT_ONCE, RUNS // max(1, n - 1)))


def shapley(
    game: Game, permutations: int | None, seed: int
) -> tuple[Float[np.ndarray, " player"], Float[np.ndarray, " player"]]:
    """Shapley values and their standard errors, 0 where they are exact.

    The one way to share out a sum that treats players alike who add alike (Shapley 1953; Lundberg and Lee 2017). All
    coalitions of up to `EXACT` players; else random orders (Castro et al. 2009) until every standard error is at most
    `PRECISE` of the gap, which sum to the gap however few they are.

    Args:
        game: The players.
        permutations: At most so many orders; None for as many as some seconds allow.
        seed: Of the orders.
    """
    n = len(game.players)
    if n <= EXACT:
        return _exact(game), np.zeros(n)
    rng, gains = np.random.default_rng(seed), np.zeros((0, n))
    most = orders(n, permutations)
    while len(gains) < most:
        some = min(ORDERS_AT_ONCE, most - len(gains))
        gains = np.concatenate([gains, _gains(game, np.array([rng.permutation(n) for _ in range(some)]))])
        error = gains.std(0, ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else np.full(n, np.nan)
        if len(gains) >= 2 * ORDERS_AT_ONCE and error.max() <= PRECISE * game.scale:
            break
    return gains.mean(0), error


def _exact(game: Game) -> Float[np.ndarray, " player"]:
    n = len(game.players)
    numbers = np.arange(2**n)
    present = (numbers[:, None] >> np.arange(n) & 1).astype(bool)
    values, sizes = game.values(present), present.sum(1)
    weights = np.array([1 / (n * math.comb(n - 1, size)) if size < n else 0.0 for size in range(n + 1)])
    out = np.zeros(n)
    for player in range(n):
        before = numbers[~present[:, player]]
        out[player] = (weights[sizes[before]] * (values[before | 1 << player] - values[before])).sum()
    return out


def _gains(game: Game, orders: np.ndarray) -> Float[np.ndarray, "order player"]:
    """What each player adds when it comes in, in each order."""
    n_orders, n = orders.shape
    place = np.argsort(orders, axis=1)
    present = place[:, None, :] < np.arange(n + 1)[None, :, None]
    values = game.values(present.reshape(-1, n)).reshape(n_orders, n + 1)
    return np.take_along_axis(np.diff(values, axis=1), place, axis=1)
