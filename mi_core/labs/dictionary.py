"""A small sparse autoencoder that looks for a toy model's features in its activations alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.labs.toy_model import BATCH, LEARNING_RATE, ToyModel

SPARSITY = 0.4  # weight of the L1 norm of the units' activations
STEPS, EVERY = 1000, 25
TRIES = 200  # random dictionaries of the control


class DictionaryTraining:
    """Units that each write one direction; they are to rebuild ``h = W x`` with few of them active at a time.

    It is told activations, in each of which at least one feature is present, and never which one.
    """

    def __init__(self, toy: ToyModel, arrows: Float[Tensor, "hidden feature"], n_units: int) -> None:
        self.toy, self.arrows = toy, arrows
        self._generator = torch.Generator().manual_seed(toy.seed)
        directions = _unit(self._activations(n_units))  # each unit begins as one activation
        self.decoder = directions.clone().requires_grad_()
        self.encoder = directions.T.clone().requires_grad_()
        self.bias = torch.zeros(n_units, requires_grad=True)

    def _activations(self, count: int) -> Float[Tensor, "row hidden"]:
        return self.toy.samples(count, self._generator, present=True) @ self.arrows.T

    def train(self) -> Iterator[int]:
        """Train to the end; yields the number of steps done."""
        parameters = [self.decoder, self.encoder, self.bias]
        optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for done in range(1, STEPS + 1):
            h = self._activations(BATCH)
            active = torch.relu(h @ self.encoder + self.bias)
            missed = ((active @ _unit(self.decoder) - h) ** 2).sum(-1).mean()
            optimiser.zero_grad()
            (missed + SPARSITY * active.sum(-1).mean()).backward()
            optimiser.step()
            schedule.step()
            if done % EVERY == 0:
                yield done

    @property
    def directions(self) -> Float[Tensor, "unit hidden"]:
        """What each unit writes, of length 1."""
        return _unit(self.decoder.detach())


def random_dictionaries(n_units: int, n_hidden: int, seed: int) -> Float[Tensor, "try unit hidden"]:
    """Directions that nothing was learned for, as many as there are units: the control."""
    generator = torch.Generator().manual_seed(seed)
    return _unit(torch.randn(TRIES, n_units, n_hidden, generator=generator))


def _unit(vectors: Float[Tensor, "... hidden"]) -> Float[Tensor, "... hidden"]:
    return torch.nn.functional.normalize(vectors, dim=-1)
