"""The toy model of superposition: many features squeezed through few dimensions, and given back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.labs.importance import importances

BATCH = 512
LEARNING_RATE = 1e-2  # at the beginning; it falls to nothing along half a cosine
SHOTS = 40  # how often a training is looked at
HELD_OUT = 4096  # samples that losses are measured on
#: Settings that are numbers: what they are called, the least, the most.
LIMITS = {
    "n_features": ("features", 2, 100),
    "n_hidden": ("dimensions", 1, 20),
    "density": ("density", 0.001, 1),
    "steps": ("steps", 1, 20_000),
    "starts": ("starts", 1, 8),
    "seed": ("seed", 0, 10_000),
}


@dataclass(frozen=True)
class ToyModel:
    """``x̂ = ReLU(Wᵀ W x + b)`` of features that are present now and then, uniform from 0 to 1 (Elhage et al. 2022).

    It is trained from several `starts` at once, all on the same samples, since some get stuck.

    Raises:
        InputError: A number out of its range, more dimensions than features, or no importances.
    """

    n_features: int = 5
    n_hidden: int = 2
    density: float = 0.05
    """How often a feature is present, 0 to 1."""
    importance: str = "equal"
    """As `mi_core.labs.importance` reads it."""
    steps: int = 1000
    starts: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (called, low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"{called.capitalize()} must be from {low:,} to {high:,}: choose another number.", name
                )
        if self.n_hidden > self.n_features:
            said = (
                f"{self.n_features} features need no more than {self.n_features} dimensions: choose fewer dimensions."
            )
            raise InputError(said, "n_hidden")
        importances(self.importance, self.n_features)

    def samples(self, count: int, generator: torch.Generator, *, present: bool = False) -> Float[Tensor, "row feature"]:
        """Values of the features; in each row at least one is there where one has to be `present`."""
        on = torch.rand(count, self.n_features, generator=generator) < self.density
        if present:
            on[torch.arange(count), torch.randint(self.n_features, (count,), generator=generator)] = True
        return on * torch.rand(count, self.n_features, generator=generator)


class ToyTraining:
    """The training of a toy model by Adam, from all starts at once.

    `W` is [start, hidden, feature]: column i is the arrow by which feature i is written. `b` is [start, 1, feature].
    """

    def __init__(self, toy: ToyModel) -> None:
        self.toy = toy
        self.importance = torch.tensor(importances(toy.importance, toy.n_features), dtype=torch.float32)
        self._generator = torch.Generator().manual_seed(toy.seed)
        self.held_out = toy.samples(HELD_OUT, self._generator)
        shape = (toy.starts, toy.n_hidden, toy.n_features)
        spread = math.sqrt(2 / (toy.n_hidden + toy.n_features))  # Xavier
        self.W = (spread * torch.randn(shape, generator=self._generator)).requires_grad_()
        self.b = torch.zeros(toy.starts, 1, toy.n_features, requires_grad=True)

    def train(self) -> Iterator[int]:
        """Train to the end; yields the number of steps done, first 0, then `SHOTS` times."""
        optimiser = torch.optim.Adam([self.W, self.b], lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.toy.steps)
        shots = {round(shot * self.toy.steps / SHOTS) for shot in range(1, SHOTS + 1)}
        yield 0
        for done in range(1, self.toy.steps + 1):
            x = self.toy.samples(BATCH, self._generator)
            optimiser.zero_grad()
            losses(self.W, self.b, x, self.importance).sum().backward()
            optimiser.step()
            schedule.step()
            if done in shots:
                yield done

    @torch.no_grad()
    def measured(self) -> Float[Tensor, " start"]:
        """The loss of each start on samples that it was not trained on."""
        return losses(self.W, self.b, self.held_out, self.importance)

    def best(self) -> Float[Tensor, "hidden feature"]:
        """The weights of the start with the lowest loss."""
        return self.W.detach()[int(self.measured().argmin())]


def losses(
    arrows: Float[Tensor, "start hidden feature"],
    b: Float[Tensor, "start 1 feature"],
    x: Float[Tensor, "row feature"],
    importance: Float[Tensor, " feature"],
) -> Float[Tensor, " start"]:
    """``Σᵢ Iᵢ (xᵢ − x̂ᵢ)²``, the mean over the rows."""
    reconstructed = torch.relu(x @ arrows.mT @ arrows + b)
    return (importance * (x - reconstructed) ** 2).sum(-1).mean(-1)
