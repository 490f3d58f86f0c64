"""What of a run can be put into another: the places that are patched, and their cells by name."""

from __future__ import annotations

from mi_core.errors import InputError
from mi_core.interventions.place import (
    ATTENTION_AT,
    HEAD,
    HEAD_AT,
    KEYS,
    MLP_AT,
    PATTERN,
    QUERIES,
    RESID_PRE,
    VALUES,
    Part,
    Place,
)
from mi_core.models.model import Model
from mi_core.phrases import listed

PLACES = (RESID_PRE, ATTENTION_AT, MLP_AT, HEAD, HEAD_AT, QUERIES, KEYS, VALUES, PATTERN)
PLURALS = {"head": "heads", "pos": "positions"}


def patch_place(name: str) -> Place:
    """The place that a setting `site` names. Raises InputError where there is none."""
    for place in PLACES:
        if place.kind.name == name:
            return place
    names = listed([place.kind.name for place in PLACES])
    raise InputError(f"“{str(name)[:40]}” is no place to patch: use {names}.", "site")


def cell(model: Model, place: Place, name: str, n_pos: int) -> Part:
    """The cell of a place's map that has this name.

    Args:
        model: The model.
        place: What is patched.
        name: As `mi_core.interventions.kind` writes it: `L2@4`, `L2H3`, `L2H3@4`.
        n_pos: How many positions there are.

    Raises:
        InputError: The name is not written so, or this model and prompt have no such cell.
    """
    kind = place.kind
    numbers = kind.understand(name)
    if numbers is None:
        example = kind.spell(layer=1, **dict.fromkeys(kind.axes, 1))
        raise InputError(f"“{name[:40]}” names no {kind.noun}: write it like {example}.", "cell")
    layer = model.layer(numbers["layer"], "cell")
    for axis, size in zip(kind.axes, place.sizes(model, layer, n_pos), strict=True):
        if numbers[axis] >= size:
            raise InputError(f"There is no {name.strip()}: {PLURALS[axis]} here go from 0 to {size - 1}.", "cell")
    return Part(place, layer, tuple(numbers[axis] for axis in kind.axes))
