"""The smallest language model, trained: a matrix of logits, one row for each letter, by gradient descent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from mi_core.errors import InputError

RATE, SLOWER = 0.3, 0.99  # of Adam: how far a step goes, and how much less far each next one does
BETA, BETA_SQUARED, TINY = 0.9, 0.99, 1e-14
#: Steps after which every row has arrived, whatever the words and the seed.
ENOUGH = 300
MOST_STEPS = 5_000


def check_steps(steps: int) -> None:
    """Raises InputError unless so many steps can be trained."""
    if not 0 <= steps <= MOST_STEPS:
        raise InputError(f"{steps:,} steps cannot be trained: choose from 0 to {MOST_STEPS:,}.", "steps")


def trained(share: Float[np.ndarray, "sign next"], seed: int, steps: int) -> Float[np.ndarray, "sign next"]:
    """The chances of the next sign, by a model trained so long. Raises InputError as `check_steps`."""
    check_steps(steps)
    training = BigramTraining(share, seed)
    for _ in training.train(steps):
        pass
    return training.probability


class BigramTraining:
    """Softmax regression of the next sign on the one before (one-hot), on all pairs at once.

    The loss is −Σ share · log p. Its derivative by a row's logits is that row's share of the pairs times what the model
    says less what was counted. Adam (Kingma and Ba 2015) divides by its size, so that rare letters learn as fast as
    frequent ones. A shorter training is the beginning of a longer one.
    """

    def __init__(self, share: Float[np.ndarray, "sign next"], seed: int) -> None:
        """Random logits. `share`: of all pairs; every row has some."""
        self.logits = np.random.default_rng(seed).standard_normal(share.shape)
        self._share = share
        self._mean, self._square = np.zeros_like(share), np.zeros_like(share)

    @property
    def probability(self) -> Float[np.ndarray, "sign next"]:
        """Softmax of every row."""
        weights = np.exp(self.logits - self.logits.max(-1, keepdims=True))
        return weights / weights.sum(-1, keepdims=True)

    def train(self, steps: int) -> Iterator[int]:
        """The number of steps done, after each."""
        rows = self._share.sum(-1, keepdims=True)
        for done in range(1, steps + 1):
            gradient = rows * self.probability - self._share
            self._mean = BETA * self._mean + (1 - BETA) * gradient
            self._square = BETA_SQUARED * self._square + (1 - BETA_SQUARED) * gradient**2
            mean, square = self._mean / (1 - BETA**done), self._square / (1 - BETA_SQUARED**done)
            self.logits -= RATE * SLOWER ** (done - 1) * mean / (np.sqrt(square) + TINY)
            yield done
