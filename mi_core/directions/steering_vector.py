"""Steering vectors: directions with a place each, that act on one run together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.directions.direction import Direction
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.result import Check
from mi_core.saes.sae import Sae
from mi_core.text.generation import Hook, generate


@dataclass(frozen=True)
class SteeringVector:
    """A direction at a place.

    Added, it is ``strength × scale × unit``. With an `sae` it is clamped: ``x + (strength × scale − f) · d`` sets its
    feature, whose activation is f, and leaves all else that x holds, the SAE's error term too, as it is. `held`,
    ``x + (strength × scale − x · unit) unit`` sets the component of x along it and leaves what is orthogonal to it.
    """

    direction: Direction
    hook: str
    """Where it acts."""
    scale: float
    """What a strength of 1 is: the mean length of the prompt's residuals there, or the feature's largest activation."""
    sae: Sae | None = None
    """The SAE whose feature is clamped; None where the direction is added."""
    scale_from: str = ""
    """Where a largest activation is known from."""
    held: bool = False
    """Whether the component along the direction is set, not added to."""

    def __post_init__(self) -> None:
        if self.sae is not None and (self.direction.feature is None or self.held):
            raise ValueError("only a feature can be clamped, and then it is not held")

    def delta(
        self, x: Float[Tensor, "row pos d_model"], strengths: Float[Tensor, " row"]
    ) -> Float[Tensor, "row _ d_model"]:
        """What is added to `x`, whose rows have a strength each: where no SAE is, the same at every position. Not of
        those that are held: see `summed`."""
        goals = (strengths * self.scale)[:, None]
        if self.sae is None:
            return goals[..., None].to(x) * self.direction.unit.to(x)
        return clamping(self.sae, self.direction.feature, x, goals.to(x))


def summed(
    vectors: Sequence[tuple[SteeringVector, Float[Tensor, " row"]]], x: Float[Tensor, "row pos d_model"]
) -> Float[Tensor, "row _ d_model"]:
    """What vectors at one place, each with a strength for every row, add to `x` together.

    Those that are added or clamped see `x` as it was. Those that are held come last and are solved for at once, so
    that each has its component whatever the others do, by the smallest change that gives it.
    """
    delta = sum((one.delta(x, strengths) for one, strengths in vectors if not one.held), x.new_zeros(len(x), 1, 1))
    held = [(one.direction.unit.to(x), strengths * one.scale) for one, strengths in vectors if one.held]
    if not held:
        return delta
    units = torch.stack([unit for unit, _ in held])
    goals = torch.stack([goal for _, goal in held], dim=-1).to(x)
    missing = goals[:, None] - (x + delta) @ units.T
    return delta + torch.linalg.solve((units @ units.T).float(), missing.float().mT).mT.to(x) @ units


def clamping(
    sae: Sae, feature: int, x: Float[Tensor, "*batch d_model"], goal: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch d_model"]:
    """``(goal − f) · d``: what sets a feature's activation f to `goal` when it is added to `x`."""
    return sae.writing(feature, goal - sae.encode(x)[..., feature], x).to(x.dtype)


def steering_hooks(
    vectors: Sequence[SteeringVector], strengths: Sequence[Sequence[float]], positions: str, tokens: Tokens
) -> dict[str, Hook]:
    """The hooks of a batch whose first row is left as it is and whose others are steered.

    Vectors at the same place act together, as `summed` says: their order does not matter.

    Args:
        vectors: The vectors.
        strengths: For each steered row, a strength for each vector.
        positions: ``"all"``; ``"prompt"``; or ``"new"``, from the prompt's last position on, which is the first that
            writes. Never a beginning-of-sequence token.
        tokens: The prompt.
    """
    first = len(tokens) - 1 if positions == "new" else int(tokens.has_bos)
    last = len(tokens) - 1 if positions == "prompt" else math.inf
    columns = torch.tensor([[0.0] * len(vectors), *strengths]).T
    by_hook: dict[str, list[tuple[SteeringVector, Tensor]]] = defaultdict(list)
    for vector, column in zip(vectors, columns, strict=True):
        by_hook[vector.hook].append((vector, column))

    def push(x: Float[Tensor, "row pos d_model"], start: int, name: str) -> Float[Tensor, "row pos d_model"]:
        pos = torch.arange(start, start + x.shape[1], device=x.device)
        chosen = ((pos >= first) & (pos <= last)).to(x.dtype)
        if not chosen.any():
            return x
        steered = torch.ones(len(x), 1, 1, device=x.device, dtype=x.dtype)
        steered[0] = 0
        return x + steered * chosen[:, None] * summed([(one, column.to(x.device)) for one, column in by_hook[name]], x)

    return {name: lambda x, start, name=name: push(x, start, name) for name in by_hook}


def checks(
    model: Model,
    tokens: Tokens,
    vectors: Sequence[SteeringVector],
    unsteered: Float[Tensor, " d_vocab"],
    n_rows: int,
    strengths: Sequence[float] = (),
) -> tuple[Check, ...]:
    """That nothing is done where nothing should be, and that what is held is where it should be.

    The row that is not steered is compared with the same batch when nothing is done, and with the model's plain run.
    A feature that is clamped to the activations that it has must leave the prompt's residuals as they are.

    Args:
        model: The model.
        tokens: The prompt.
        vectors: The vectors.
        unsteered: What the row that is not steered gave.
        n_rows: Of the batch.
        strengths: Of one steered row, for each vector; needed where any is held.
    """
    untouched = next(
        generate(model, tokens.ids, n_rows, max_new_tokens=1, hooks={one.hook: _as_it_is for one in vectors})
    ).logits[0]
    plain = model.run(tokens, {one.hook for one in vectors})
    exact = "" if model.has_experts else ", bit for bit"
    found = [
        Check(
            f"strength 0 is the run without steering{exact}",
            float((unsteered - untouched).abs().max()),
            0.0 if exact else 1e-5,
        ),
        Check(
            "the unsteered row predicts what the model predicts",
            float((unsteered - plain.logits[-1].to(unsteered)).abs().max()),
            1e-3,
        ),
    ]
    clamped = [_own_value(one, plain[one.hook]) for one in vectors if one.sae is not None]
    name = "a feature clamped to its own value changes nothing, bit for bit"
    if clamped:
        found.append(Check(name, max(clamped), 0.0))
    if any(one.held for one in vectors):
        error = max(
            _missed(vectors, strengths, hook, plain[hook]) for hook in {one.hook for one in vectors if one.held}
        )
        found.append(Check("what is held has its component (share of the longest activation)", error, 1e-5))
    return tuple(found)


def _missed(
    vectors: Sequence[SteeringVector], strengths: Sequence[float], hook: str, x: Float[Tensor, "pos d_model"]
) -> float:
    """How far components that are held at a place are from where they should be there."""
    here = [
        (one, x.new_tensor([strength])) for one, strength in zip(vectors, strengths, strict=True) if one.hook == hook
    ]
    after = x + summed(here, x[None])[0]
    off = [(after @ one.direction.unit.to(x) - one.scale * float(by)).abs().max() for one, by in here if one.held]
    return float(max(off) / x.norm(dim=-1).max())


def _as_it_is(x: Tensor, start: int) -> Tensor:
    return x


def _own_value(vector: SteeringVector, x: Float[Tensor, "pos d_model"]) -> float:
    feature = vector.direction.feature
    own = vector.sae.encode(x)[..., feature]
    return float((x + clamping(vector.sae, feature, x, own) - x).abs().max())
