"""Chances of the next letter as a chain: what it expects, how long its words get, what it writes.

Row and column 0 are the edge of a word (`pairs.EDGE`): a word starts there, and is over where the chain comes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

ONGOING = "…"  # behind a word that is not over


def surprise(probability: Float[np.ndarray, "sign next"], share: Float[np.ndarray, "sign next"]) -> float:
    """Bits per letter that pairs of these shares take the chain by surprise: its loss. Infinite for a chance of 0."""
    seen = share > 0
    with np.errstate(divide="ignore"):
        return float(-(share[seen] * np.log2(probability[seen])).sum())


def row_distances(
    counted: Float[np.ndarray, "sign next"], probability: Float[np.ndarray, "sign next"]
) -> Float[np.ndarray, " sign"]:
    """KL(counted row ‖ the chain's row) in bits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(counted > 0, counted * (np.log2(counted) - np.log2(probability)), 0.0)
    return terms.sum(-1)


def expected_length(probability: Float[np.ndarray, "sign next"]) -> float:
    """Letters in a word on average: t = 1 + Q t for the letters, Q their chances of each other.

    Infinite where a letter that can come leads to the end by no way.
    """
    possible = np.linalg.matrix_power((probability[1:, 1:] > 0) + np.eye(len(probability) - 1), len(probability)) > 0
    comes = probability[0, 1:] @ possible > 0
    ends = possible @ probability[1:, 0] > 0
    if not ends[comes].all():
        return math.inf
    among = probability[1:, 1:][np.ix_(comes, comes)]
    steps = np.linalg.solve(np.eye(int(comes.sum())) - among, np.ones(int(comes.sum())))
    return float(probability[0, 1:][comes] @ steps)


def lengths(probability: Float[np.ndarray, "sign next"], longest: int) -> Float[np.ndarray, " length"]:
    """The chance of a word of each length from 0 to `longest`."""
    at, found = probability[0], [probability[0, 0]]
    for _ in range(longest):
        at = at[1:] @ probability[1:]
        found.append(at[0])
    return np.array(found)


def tempered(probability: Float[np.ndarray, "sign next"], temperature: float) -> Float[np.ndarray, "sign next"]:
    """Chances to the power 1 / temperature, made to sum to 1 again; at 0 the likeliest has all."""
    if temperature == 0:
        return np.eye(len(probability))[probability.argmax(-1)]
    with np.errstate(divide="ignore"):
        logits = np.log(probability) / temperature
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def without_column(probability: Float[np.ndarray, "sign next"], sign: int) -> Float[np.ndarray, "sign next"]:
    """The sign can never come: its logits are −∞. The others share what it had, in proportion."""
    left = probability.copy()
    left[:, sign] = 0.0
    return left / left.sum(-1, keepdims=True)


def without_row(probability: Float[np.ndarray, "sign next"], sign: int) -> Float[np.ndarray, "sign next"]:
    """What is known of what follows the sign is gone: its logits are 0, and anything is equally likely."""
    left = probability.copy()
    left[sign] = 1 / len(left)
    return left


def backbone(probability: Float[np.ndarray, "sign next"]) -> tuple[Int[np.ndarray, " sign"], list[int]]:
    """The likeliest next sign of each, and the signs on the way from the start, until the end or the first repeat."""
    following = probability.argmax(-1)
    way = [0]
    while (sign := int(following[way[-1]])) not in way:
        way.append(sign)
    return following, [*way, sign]


def write(
    probability: Float[np.ndarray, "sign next"], signs: Sequence[str], n: int, seed: int, longest: int
) -> list[str]:
    """`n` words that the chain draws; those that are not over after `longest` letters end in `ONGOING`.

    Two chains draw with the same random numbers, so that their words part only where their chances do.
    """
    draws = np.random.default_rng(seed).random((n, longest + 1))
    heaps = probability.cumsum(-1)
    return [_word(heaps / heaps[:, -1:], signs, row) for row in draws]


def _word(heaps: Float[np.ndarray, "sign next"], signs: Sequence[str], draws: Float[np.ndarray, " step"]) -> str:
    at, word = 0, ""
    for draw in draws:
        at = int(np.searchsorted(heaps[at], draw, side="right"))
        if at == 0:
            return word
        word += signs[at]
    return word[:-1] + ONGOING
