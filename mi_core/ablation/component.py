"""The parts of a model that can be knocked out one by one, and their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.phrases import listed
from mi_core.saes.loading import load_sae

# What a component of each kind is, in the interventions' words; an SAE's hook says where its features are.
SITE_OF = {"head": "z", "attn_out": "attn_out", "mlp_out": "mlp_out", "neuron": "post", "position": "resid_pre"}
SITES = (*SITE_OF, "feature")
NAMED = re.compile(
    r"L(?P<layer>\d+)(?P<kind>[HNP])(?P<number>\d+)|(?P<whole>MLP|attention) (?P<at>\d+)|feature (?P<feature>\d+)",
    re.IGNORECASE,
)
KIND = {"h": "head", "n": "neuron", "p": "position", "mlp": "mlp_out", "attention": "attn_out"}


@dataclass(frozen=True)
class Component:
    """A head, an attention layer, an MLP, a neuron, a feature of an SAE, or a token's place in the residual stream.

    `number` says which head, neuron, feature or position of `layer`, None for a whole layer's; `sae` is the hook that
    a feature's SAE reads.
    """

    site: str
    layer: int
    number: int | None = None
    sae: str | None = None

    @property
    def name(self) -> str:
        """`L3H0`, `attention 3`, `MLP 3`, `L3N17` (neuron 17), `L3P4` (position 4 before layer 3), `feature 115`."""
        if self.site == "feature":
            return f"feature {self.number}"
        if self.number is None:
            return f"{'attention' if self.site == 'attn_out' else 'MLP'} {self.layer}"
        return f"L{self.layer}{self.site[0].upper()}{self.number}"

    @property
    def head(self) -> int | None:
        """Which head; None for all other kinds."""
        return self.number if self.site == "head" else None

    @property
    def hook(self) -> str:
        """Where its activation is found."""
        places = {
            "head": hooks.z,
            "attn_out": hooks.attn_out,
            "mlp_out": hooks.mlp_out,
            "neuron": hooks.post,
            "position": hooks.resid_pre,
        }
        return self.sae if self.site == "feature" else places[self.site](self.layer)

    def activation(self, value: Float[Tensor, "pos ..."]) -> Float[Tensor, "pos d"]:
        """Its own part of what is found at `hook`; not of features, whose part `feature_writes` reads."""
        if self.site == "head":
            return value[:, self.number]
        return value[:, self.number : self.number + 1] if self.site == "neuron" else value

    def put(self, value: Float[Tensor, "pos d"], first: int = 0, end: int | None = None) -> Intervention:
        """`value`, an activation for every position, in place of its own at the positions from `first` to `end`."""
        if self.site == "position":
            first, end = self.number, self.number + 1
        neuron = self.number if self.site == "neuron" else None
        return Intervention(SITE_OF[self.site], self.layer, value[first:end], self.head, first, end, neuron=neuron)


def find(model: Model, name: str, field: str, n_pos: int, sae: str | None = None) -> Component:
    """The component of that name.

    Args:
        model: The model.
        name: As `Component.name` writes it.
        field: The setting it came from.
        n_pos: How many positions there are.
        sae: Hook of the SAE whose features are meant; None for the model's only one, or the middle one.

    Raises:
        InputError: The name is not one, or the model has no such layer, head, neuron or feature, or there is no such
            position.
    """
    match = NAMED.fullmatch(name.strip())
    if match is None:
        raise InputError(
            f"“{name[:40]}” is no component: write L3H0, MLP 3, attention 3, L3N17 (a neuron), L3P4 (a position) or "
            "feature 115.",
            field,
        )
    if match["feature"]:
        found = load_sae(model, sae)
        return Component("feature", found.layer, found.feature(int(match["feature"]), field), found.hook)
    layer = model.layer(int(match["layer"] or match["at"]), field)
    site = KIND[(match["kind"] or match["whole"]).lower()]
    number = None if match["number"] is None else int(match["number"])
    return Component(site, layer, _checked(model, site, layer, number, field, n_pos))


def components(model: Model, site: str, layer: int | None, number: int | None, n_pos: int) -> list[Component]:
    """All components of a kind but features, or those of one layer, or a single one.

    Args:
        model: The model.
        site: Which kind; a key of `SITE_OF`.
        layer: Only this layer; None for all.
        number: Only this head, neuron or position; None for all.
        n_pos: How many positions there are.

    Raises:
        InputError: No such layer, head, neuron or position; a head or neuron without its layer; or all neurons of all
            layers, which are too many.
    """
    if number is not None and layer is None and site != "position":
        raise InputError(f"A {site} belongs to a layer: choose the layer too.", "layer")
    if site == "neuron" and layer is None:
        raise InputError("Neurons belong to a layer: choose the layer too.", "layer")
    layers = range(model.n_layers) if layer is None else [model.layer(layer)]
    if site in ("attn_out", "mlp_out"):
        return [Component(site, each) for each in layers]
    if number is not None:
        field = "token" if site == "position" else site
        return [Component(site, each, _checked(model, site, each, number, field, n_pos)) for each in layers]
    return [Component(site, each, one) for each in layers for one in range(_count(model, site, each, n_pos))]


def check_site(site: str, given: dict[str, int | None]) -> int | None:
    """The number that belongs to `site` among those `given` (by field).

    Raises:
        InputError: No such site, or a number that belongs to another.
    """
    if site not in SITES:
        raise InputError(f"“{str(site)[:40]}” is no place to ablate: use {listed(list(SITES))}.", "site")
    own = {"position": "token"}.get(site, site)
    for field, number in given.items():
        if number is not None and field != own:
            kind = {"token": "position"}.get(field, field)
            raise InputError(f"{site} has no {field}s: leave the {field} out, or choose site {kind}.", field)
    return given.get(own)


def _count(model: Model, site: str, layer: int, n_pos: int) -> int:
    if site == "neuron":
        return model.n_neurons(layer)
    return n_pos if site == "position" else model.n_heads


def _checked(model: Model, site: str, layer: int, number: int | None, field: str, n_pos: int) -> int | None:
    if site == "head":
        return model.head(number, field)
    if site == "neuron" and not 0 <= number < model.n_neurons(layer):
        last = model.n_neurons(layer) - 1
        raise InputError(f"There is no neuron {number} in layer {layer}: it has neurons 0 to {last}.", field)
    if site == "position" and not 0 <= number < n_pos:
        raise InputError(f"There is no token {number} here: choose one from 0 to {n_pos - 1}.", field)
    return number
