"""What texts are searched for: a feature, a neuron, a head or a direction, as one number per token."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import check_number
from mi_core.directions.direction import find
from mi_core.directions.spec import DirectionSpec, read
from mi_core.errors import InputError, choose
from mi_core.interventions.place import NEURON, Part
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.phrases import after_layer
from mi_core.saes.features import POSITIONS_AT_ONCE, feature_name
from mi_core.saes.loading import load_sae
from mi_core.saes.neuron_notes import neuron_notes
from mi_core.saes.notes import notes

Kind = Literal["feature", "neuron", "head", "direction"]
#: The settings that say which one is meant.
SETTINGS = {
    "feature": ("feature", "sae"),
    "neuron": ("layer", "neuron"),
    "head": ("layer", "head"),
    "direction": ("direction", "layer", "sae"),
}
NEEDED = {"feature": ("feature",), "neuron": ("layer", "neuron"), "head": ("layer", "head"), "direction": ()}


@dataclass(frozen=True)
class Unit:
    """One unit: where the model shows it, and how its activation is read there."""

    hook: str
    """The activation that it is read from."""
    read: Callable[[Tensor], Tensor]
    """From that [token, …] its own activation [token]."""
    name: str
    """As a sentence begins: `Feature 115 (cities)`."""
    does: str
    """Before the token where it is largest: `fires most on`."""
    measure: str
    """What its activation measures."""
    fires: bool
    """Whether it is silent where its activation is not above 0."""
    stamp: str = ""
    """Tells apart what the model's weights do not: an autoencoder's feature, a direction's numbers."""


def unit(model: Model, kind: str, **settings: int | str | None) -> Unit:
    """The unit that these settings mean.

    Args:
        model: The model.
        kind: One of `SETTINGS`.
        **settings: By the names in `SETTINGS`, all that there are; those of other kinds are None or empty.

    Raises:
        InputError: A setting that is missing, or belongs to another kind; or the model has no such unit.
    """
    own = SETTINGS[choose(kind, get_args(Kind), "unit")]
    for name, value in settings.items():
        if value not in (None, "") and name not in own:
            raise InputError(f"A {kind} has no {name}: leave it out.", name)
        if value is None and name in NEEDED[kind]:
            raise InputError(f"Which {kind}? Give its {'number' if name == kind else name}.", name)
    return OF_KIND[kind](model, **{name: settings[name] for name in own})


def _feature(model: Model, feature: int, sae: str | None) -> Unit:
    opened = load_sae(model, sae)
    opened.feature(feature)
    name = feature_name(feature, notes(opened.entry).of(feature).label)

    def activation(x: Float[Tensor, "token d_model"]) -> Float[Tensor, " token"]:
        return torch.cat([opened.encode(part.float())[:, feature] for part in x.split(POSITIONS_AT_ONCE)])

    return Unit(
        opened.hook, activation, name, "fires most on", "activation", True,
        f"{opened.name} {_digest(opened.directions([feature]))}",
    )  # fmt: skip


def _neuron(model: Model, layer: int, neuron: int) -> Unit:
    model.n_neurons(model.layer(layer))
    check_number(model, Part(NEURON, layer, (neuron,)), "neuron", 1)
    label = neuron_notes(model.id, layer).of(neuron).label
    name = f"Neuron {neuron} of layer {layer}" + (f" ({label})" if label else "")
    return Unit(hooks.post(layer), lambda x: x[:, neuron], name, "fires most on", "activation", True)


def _head(model: Model, layer: int, head: int) -> Unit:
    model.require(hooks.z(model.layer(layer)))
    w_o = model.w_o(layer)[model.head(head)]
    return Unit(
        hooks.z(layer), lambda x: (x[:, head] @ w_o).norm(dim=-1), f"L{layer}H{head}", "writes most at",
        "length of what it writes", False,
    )  # fmt: skip


def _direction(model: Model, direction: str, layer: int | None, sae: str | None) -> Unit:
    found = find(model, read(DirectionSpec, {"direction": direction, "layer": layer, "sae": sae}))
    where = after_layer(found.layer, model.n_layers)
    return Unit(
        model.resid_names()[found.layer], lambda x: x.float() @ found.unit.float(),
        f"Along {found.label}, the stream {where}", "goes furthest at", "length along the direction", False,
        _digest(found.unit),
    )  # fmt: skip


OF_KIND: dict[str, Callable[..., Unit]] = {
    "feature": _feature, "neuron": _neuron, "head": _head, "direction": _direction,
}  # fmt: skip


def _digest(numbers: Tensor) -> str:
    return hashlib.sha256(numbers.detach().float().cpu().numpy().tobytes()).hexdigest()
