"""Pushes along directions as people ask for them, and the steering vectors that become of them in a model."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.directions import spec
from mi_core.directions.direction import Direction, find
from mi_core.directions.spec import DirectionSpec
from mi_core.directions.steering_vector import SteeringVector
from mi_core.errors import InputError, choose, shortened
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import contexts, notes
from mi_core.saes.sae import Sae
from mi_core.text.sentences import sentences

MAX_STRENGTH = 1000
MAX_PUSHES = 4
OPERATIONS = ("add", "clamp", "hold")
ALIKE = 1e-3  # the least singular value of unit directions that are held together: below it two say the same
POSITIONS = ("all", "prompt", "new")


@dataclass(frozen=True)
class PushSpec(DirectionSpec):
    """A direction and how hard to push along it; the fields are settings of the `steering` analysis."""

    operation: str = "add"
    """``"add"``; ``"clamp"`` for a feature, which is set to a multiple of its largest activation; or ``"hold"``: the
    component along the direction is set."""
    strength: float = 0.5
    """Added or held: in units of the mean residual norm there. Clamped: of the largest activation."""
    largest: float | None = None
    """The feature's largest activation; None for what is known of it."""


def pushes(first: PushSpec, also: Sequence[str]) -> tuple[PushSpec, ...]:
    """Every push that was asked for, checked as far as that takes no model.

    Args:
        first: The one that the analysis' own settings describe.
        also: The others, each a JSON object of the same settings.

    Raises:
        InputError: Too many, no such JSON, no such setting, or a strength that is no number; the field of a further
            push ends in its number (``strength2``).
    """
    if len(also) >= MAX_PUSHES:
        raise InputError(f"There are {len(also) + 1} directions: at most {MAX_PUSHES} can be summed.", "also")
    further = [
        numbered(number, lambda text=text: _checked(spec.json_object(text, "also")))
        for number, text in enumerate(also, start=2)
    ]
    return (_checked(asdict(first)), *further)


def numbered(number: int, do: Callable[[], Any]) -> Any:
    """What `do` gives; a user's error says which of several directions it is about."""
    try:
        return do()
    except InputError as error:
        if number == 1 or error.field == "also":
            raise
        raise InputError(f"Direction {number}: {error.message}", f"{error.field}{number}", error.suggestion) from error


def _checked(given: dict[str, Any]) -> PushSpec:
    strength = check_strength(given.get("strength", PushSpec.strength))
    push = spec.read(PushSpec, given | {"strength": strength}, "also")
    choose(push.operation, OPERATIONS, "operation", "way to push")
    return push


def check_strength(strength: float, field: str = "strength") -> float:
    """Raises InputError unless it is a number that 32-bit floats can carry."""
    number = isinstance(strength, numbers.Real) and not isinstance(strength, bool)
    if not (number and math.isfinite(strength) and abs(strength) <= MAX_STRENGTH):
        raise InputError(
            f"The strength is {shortened(str(strength))}: choose a number from −{MAX_STRENGTH} to {MAX_STRENGTH}, "
            "such as 0.5.",
            field,
        )
    return float(strength)


def check_positions(positions: Literal["all", "prompt", "new"] | str) -> None:
    """Raises InputError unless it is one of `POSITIONS`."""
    choose(positions, POSITIONS, "positions", "choice of positions")


def steering_vectors(
    model: Model,
    tokens: Tokens,
    wanted: Sequence[PushSpec],
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> tuple[SteeringVector, ...]:
    """The vectors that the pushes stand for, their scales measured.

    Args:
        model: The model.
        tokens: The prompt, on which mean lengths are measured, without its first position where there are others:
            that one's is tens of times larger in most models.
        wanted: What was asked for.
        prepend_bos: Of contrast prompts; None follows the model's own habit.
        between: Called between the runs that this takes.

    Raises:
        InputError: A direction, layer or autoencoder that is not there; a feature that is clamped to multiples of an
            activation that is not known; or directions held at one place that are the same.
    """

    def vector(push: PushSpec) -> SteeringVector:
        return _placed(model, push, find(model, push, prepend_bos=prepend_bos, between=between), between)

    placed = [numbered(number, lambda push=push: vector(push)) for number, push in enumerate(wanted, start=1)]
    _check_held(placed)
    acts = model.run(tokens, {vector.hook for vector in placed if vector.sae is None})
    return tuple(vector if vector.sae else replace(vector, scale=_mean_norm(acts[vector.hook])) for vector in placed)


def _check_held(vectors: Sequence[SteeringVector]) -> None:
    for hook in {vector.hook for vector in vectors if vector.held}:
        units = torch.stack([one.direction.unit for one in vectors if one.held and one.hook == hook])
        if float(torch.linalg.svdvals(units.float()).min()) < ALIKE:
            raise InputError(
                "Directions that are held at the same layer have to differ, and two of these do not: add one of them "
                "instead, or choose another layer.",
                "also",
            )


def _placed(model: Model, push: PushSpec, direction: Direction, between: Callable[[], None] | None) -> SteeringVector:
    if push.operation != "clamp":
        held = push.operation == "hold"
        return SteeringVector(direction, model.resid_names()[direction.layer], math.nan, held=held)
    if direction.feature is None:
        raise InputError(
            "Only a feature can be clamped: choose one, or hold the direction, which sets the stream’s component "
            "along it.",
            "operation",
        )
    if push.layer is not None:
        raise InputError("A feature is clamped where its autoencoder reads: leave the layer empty.", "layer")
    sae = load_sae(model, direction.sae)
    largest, source = _largest(model, sae, direction.feature, push.largest, between)
    return SteeringVector(direction, sae.hook, largest, sae, source)


def _largest(
    model: Model, sae: Sae, feature: int, given: float | None, between: Callable[[], None] | None
) -> tuple[float, str]:
    """A feature's largest activation, and where that is known from."""
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise InputError(f"The largest activation is {given}: give a number above 0.", "largest")
        return float(given), "as given"
    if (noted := notes(sae.entry).of(feature).max_activation) > 0:
        return noted, "in the autoencoder's sample text"
    if peaks := [max(context.activations) for context in contexts(sae.entry, feature)]:
        return max(peaks), "in its stored contexts"
    measured = _measured(model, sae, feature, between)
    if not measured > 0:
        raise InputError(
            f"Feature {feature} never fires in the built-in sentences, so its largest activation is not known: give "
            "it, or choose another feature.",
            "largest",
        )
    return measured, "in the built-in sentences"


def _measured(model: Model, sae: Sae, feature: int, between: Callable[[], None] | None) -> float:
    peaks = []
    for sentence in sentences(model):
        tokens = model.tokens(sentence)
        x = model.run(tokens, [sae.hook])[sae.hook][int(tokens.has_bos) :]
        peaks.append(float(sae.encode(x)[:, feature].max()))
        if between is not None:
            between()
    return max(peaks)


def _mean_norm(resid: Float[Tensor, "pos d_model"]) -> float:
    """Mean length of the residuals, without the first position's where there are others."""
    return float(resid[min(1, len(resid) - 1) :].float().norm(dim=-1).mean())
