"""The parts of a model that can be knocked out one by one, and how they are asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mi_core.ablation.cut import CUTS, Cut, cut
from mi_core.errors import InputError
from mi_core.interventions.kind import FEATURE, Kind, parse
from mi_core.interventions.place import ATTENTION, HEAD, MLP, NEURON, POSITION, Part, Place
from mi_core.models.model import Model
from mi_core.phrases import listed
from mi_core.saes.loading import load_sae

PLACES = (HEAD, ATTENTION, MLP, NEURON, POSITION)
KINDS = (*(place.kind for place in PLACES), FEATURE, *CUTS)
#: The kind whose number a setting is.
SETTINGS = {"head": HEAD.kind, "neuron": NEURON.kind, "feature": FEATURE, "token": POSITION.kind}
#: What is said of a number that is none, by axis.
ABSENT = {
    "head": "There is no head {number}: {model} has heads 0 to {last}.",
    "neuron": "There is no neuron {number} in layer {layer}: it has neurons 0 to {last}.",
    "pos": "There is no token {number} here: choose one from 0 to {last}.",
}


@dataclass(frozen=True)
class Feature:
    """A feature of an SAE: no part of an activation, but a term of it."""

    hook: str
    """What the SAE reads."""
    layer: int
    """The block that this hook belongs to."""
    number: int
    """Which feature."""
    sae: str
    """Name of the SAE."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return FEATURE

    @property
    def name(self) -> str:
        """`feature 115`."""
        return FEATURE.spell(feature=self.number)


Component = Part | Feature | Cut


def apart(components: Iterable[Component]) -> tuple[list[Part], dict[str, list[int]], list[Cut]]:
    """The parts of activations; the numbers of the features by the name of their SAE, each once; and the cuts."""
    parts, features, cuts = [], defaultdict(dict), []
    for one in components:
        if isinstance(one, Part):
            parts.append(one)
        elif isinstance(one, Cut):
            cuts.append(one)
        else:
            features[one.sae][one.number] = None
    return parts, {hook: list(numbers) for hook, numbers in features.items()}, cuts


def component(model: Model, name: str, field: str, n_pos: int, sae: str | None = None) -> Component:
    """The component of that name.

    Args:
        model: The model.
        name: As `mi_core.interventions.kind` writes it.
        field: The setting it came from.
        n_pos: How many positions there are.
        sae: Hook of the SAE whose features are meant; None for the model's only one, or the middle one.

    Raises:
        InputError: The name is not one, or the model has no such layer, head, neuron or feature, or there is no such
            position.
    """
    named = parse(name, KINDS)
    if named is None:
        raise InputError(
            f"“{name[:40]}” is no component: write L3H0, MLP 3, attention 3, L3N17 (a neuron), L3P4 (a position), "
            "feature 115, or L3H0@8→2 (what token 8 reads of token 2).",
            field,
        )
    kind, numbers = named
    if kind == FEATURE:
        opened = load_sae(model, sae)
        return Feature(opened.hook, opened.layer, opened.feature(numbers["feature"], field), opened.name)
    if kind in CUTS:
        at = numbers["query_pos"], numbers["key_pos"]
        return cut(model, numbers.get("layer"), numbers.get("head"), *at, n_pos, field)
    layer = model.layer(numbers["layer"], field)
    part = Part(place_of(kind), layer, tuple(numbers[axis] for axis in kind.axes))
    check_number(model, part, field, n_pos)
    return part


def components(model: Model, place: Place, layer: int | None, number: int | None, n_pos: int) -> list[Part]:
    """All components of a place, or those of one layer, or a single one.

    Args:
        model: The model.
        place: One of `PLACES`.
        layer: Only this layer; None for all.
        number: Only this head, neuron or position; None for all.
        n_pos: How many positions there are.

    Raises:
        InputError: No such layer, head, neuron or position; a head or neuron without its layer; or all neurons of all
            layers, which are too many.
    """
    kind = place.kind
    if number is not None and layer is None and "pos" not in kind.axes:
        raise InputError(f"A {kind.name} belongs to a layer: choose the layer too.", "layer")
    if layer is None and place == NEURON:
        raise InputError("Neurons belong to a layer: choose the layer too.", "layer")
    layers = model.layers(place.site) if layer is None else [model.layer(layer)]
    if number is None:
        return list(place.parts(model, layers, n_pos))
    parts = [Part(place, each, (number,)) for each in layers]
    for part in parts:
        check_number(model, part, setting_of(kind), n_pos)
    return parts


def asked_kind(site: str, given: Mapping[str, int | None]) -> tuple[Kind, int | None]:
    """The kind that a setting `site` names, and the number that belongs to it among those `given` (by setting).

    Raises:
        InputError: No such site, or a number that belongs to another.
    """
    kind = next((kind for kind in KINDS if kind.name == site), None)
    if kind is None:
        raise InputError(
            f"“{str(site)[:40]}” is no place to ablate: use {listed([kind.name for kind in KINDS])}.", "site"
        )
    for setting, number in given.items():
        if number is not None and SETTINGS[setting] != kind and not (setting == "head" and kind in CUTS):
            raise InputError(
                f"{site} has no {setting}s: leave the {setting} out, or choose site {SETTINGS[setting].name}.", setting
            )
    return kind, given.get(setting_of(kind))


def setting_of(kind: Kind) -> str:
    """The setting that says which one; empty for whole layers."""
    return next((setting for setting, other in SETTINGS.items() if other == kind), "")


def place_of(kind: Kind) -> Place:
    """The place whose parts are of that kind."""
    return next(place for place in PLACES if place.kind == kind)


def check_number(model: Model, part: Part, field: str, n_pos: int) -> None:
    """Raises InputError where there is no such head, neuron or position."""
    sizes = part.place.sizes(model, part.layer, n_pos)
    for axis, number, size in zip(part.kind.axes, part.at, sizes, strict=True):
        if not 0 <= number < size:
            said = ABSENT[axis].format(number=number, model=model.id, layer=part.layer, last=size - 1)
            raise InputError(said, field)
