"""Directions as a person asks for them, and the steering vectors that become of them."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mi_core.directions import direction
from mi_core.directions.direction import Direction
from mi_core.directions.steering_vector import SteeringVector
from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import contexts, notes
from mi_core.saes.sae import Sae
from mi_core.text.sentences import sentences

MAX_STRENGTH = 1000
MAX_VECTORS = 4
OPERATIONS = ("add", "clamp")
POSITIONS = ("all", "prompt", "new")


@dataclass(frozen=True)
class Asked:
    """One direction as a person asks for it; the fields are settings of the `steering` analysis."""

    direction: str
    sae: str | None = None
    positive: str = ""
    negative: str = ""
    vector: str = ""
    layer: int | None = None
    operation: str = "add"
    strength: float = 0.5
    largest: float | None = None


def asked(first: Asked, also: Sequence[str]) -> tuple[Asked, ...]:
    """Every direction that was asked for, checked as far as that takes no model.

    Args:
        first: The one that the analysis' own settings describe.
        also: The others, each a JSON object of the same settings.

    Raises:
        InputError: Too many, no such JSON, no such setting, or a strength that is no number; the field of a further
            direction ends in its number (``strength2``).
    """
    if len(also) >= MAX_VECTORS:
        raise InputError(f"There are {len(also) + 1} directions: at most {MAX_VECTORS} can be summed.", "also")
    found = [_checked(first)]
    for number, text in enumerate(also, start=2):
        found.append(numbered(number, lambda text=text: _checked(_parsed(text))))
    return tuple(found)


def numbered(number: int, do: Callable[[], Any]) -> Any:
    """What `do` gives; a user's error says which of several directions it is about."""
    try:
        return do()
    except InputError as error:
        if number == 1 or error.field == "also":
            raise
        raise InputError(f"Direction {number}: {error.message}", f"{error.field}{number}", error.suggestion) from error


def check_strength(strength: float, field: str = "strength") -> float:
    """Raises InputError unless it is a number that 32-bit floats can carry."""
    number = isinstance(strength, numbers.Real) and not isinstance(strength, bool)
    if not (number and math.isfinite(strength) and abs(strength) <= MAX_STRENGTH):
        raise InputError(
            f"The strength is {str(strength)[:20]}: choose a number from −{MAX_STRENGTH} to {MAX_STRENGTH}, "
            "such as 0.5.",
            field,
        )
    return float(strength)


def resolve(
    model: Model,
    tokens: Tokens,
    wanted: Sequence[Asked],
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> tuple[SteeringVector, ...]:
    """The vectors that were asked for, their scales measured.

    Args:
        model: The model.
        tokens: The prompt, on which mean lengths are measured, without its first position where there are others:
            that one's is tens of times larger in most models.
        wanted: What was asked for.
        prepend_bos: Of contrast prompts; None follows the model's own habit.
        between: Called between the runs that this takes.

    Raises:
        InputError: A direction, layer or autoencoder that is not there; a feature that is clamped to multiples of an
            activation that is not known.
    """
    found = []
    for number, one in enumerate(wanted, start=1):
        chosen = numbered(number, lambda one=one: _direction(model, one, prepend_bos, between))
        found.append(numbered(number, lambda one=one, chosen=chosen: _placed(model, one, chosen, between)))
    acts = model.run(tokens, {vector.hook for vector in found if vector.sae is None})
    return tuple(vector if vector.sae else replace(vector, scale=_mean_norm(acts[vector.hook])) for vector in found)


def _direction(model: Model, one: Asked, prepend_bos: bool | None, between: Callable[[], None] | None) -> Direction:
    kind = one.direction.partition(":")[0]
    if kind == "feature":
        return direction.feature_direction(model, one.direction, one.sae, one.layer)
    if kind == "token":
        return direction.token_direction(model, one.direction, one.layer)
    if one.direction == "contrast":
        return direction.contrast(
            model, one.positive, one.negative, one.layer, prepend_bos=prepend_bos, between=between
        )
    if one.direction == "vector":
        return direction.pasted(model, one.vector, one.layer)
    raise InputError(
        f"“{one.direction[:40]}” is no direction: write feature:123, token:Paris, contrast, or vector.", "direction"
    )


def _placed(model: Model, one: Asked, chosen: Direction, between: Callable[[], None] | None) -> SteeringVector:
    if one.operation == "add":
        return SteeringVector(chosen, model.resid_names()[chosen.layer], math.nan)
    if chosen.feature is None:
        raise InputError("Only a feature can be clamped: choose one, or add the direction.", "operation")
    if one.layer is not None:
        raise InputError("A feature is clamped where its autoencoder reads: leave the layer empty.", "layer")
    sae = load_sae(model, chosen.sae)
    largest, source = _largest(model, sae, chosen.feature, one.largest, between)
    return SteeringVector(chosen, sae.hook, largest, sae, source)


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


def _parsed(text: str) -> Asked:
    names = [field.name for field in fields(Asked)]
    try:
        given: Mapping[str, Any] = json.loads(text)
        unknown = [name for name in given if name not in names]
        found = Asked(**{"direction": "", **{name: value for name, value in given.items() if name in names}})
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"“{text[:40]}” describes no direction: write an object such as "
            '{"direction": "feature:53", "strength": 0.5}.',
            "also",
        ) from error
    if unknown:
        raise InputError(f"A direction has no “{unknown[0][:40]}”: it takes {', '.join(names)}.", "also")
    return found


def _checked(one: Asked) -> Asked:
    """Raises InputError where a setting is of the wrong kind, which JSON does not prevent."""
    for name, value in asdict(one).items():
        kinds = {"layer": int | None, "largest": float | int | None, "sae": str | None}.get(name, str)
        if name != "strength" and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise InputError(f"The {name} is {str(value)[:40]}: that is no value for it.", name)
    if one.operation not in OPERATIONS:
        raise InputError(f"“{one.operation[:40]}” is no way to push: use add or clamp.", "operation")
    return replace(one, strength=check_strength(one.strength))


def check_positions(positions: str) -> None:
    """Raises InputError unless it is one of `POSITIONS`."""
    if positions not in POSITIONS:
        raise InputError(f"“{str(positions)[:40]}” is no choice of positions: use all, prompt or new.", "positions")
