"""Places in the model: which activation a head, a neuron or a position is a part of, how it is read and replaced.

Every place is a constant below. A new one is one more constant.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.interventions.intervention import Intervention
from mi_core.interventions.kind import Kind
from mi_core.models import hooks
from mi_core.models.hooks import Site
from mi_core.models.model import Model


@dataclass(frozen=True)
class Place:
    """A way to cut one activation of every layer into parts, each of which is read and replaced alone."""

    kind: Kind
    """What its parts are called, and along which axes it is cut; without ``"pos"`` a part holds all positions."""
    site: Site
    """The activation that is cut."""

    def sizes(self, model: Model, layer: int, n_pos: int) -> tuple[int, ...]:
        """How many parts there are along each of the kind's axes, in one layer of a prompt of `n_pos` tokens.

        Raises:
            InputError: The layer has no neurons that could be told apart.
        """
        return tuple(_size(self.site, axis, model, layer, n_pos) for axis in self.kind.axes)

    def shape(self, model: Model, n_pos: int) -> tuple[int, ...]:
        """Of a map with a number for every part: [layer, …], with the kind's axes; of the layers that have them."""
        layers = model.layers(self.site)
        return len(layers), *self.sizes(model, layers[0], n_pos)

    def parts(self, model: Model, layers: Iterable[int], n_pos: int, first: int = 0) -> Iterator[Part]:
        """Every part in these layers, of positions those from `first` on."""
        for layer in layers:
            sizes = zip(self.kind.axes, self.sizes(model, layer, n_pos), strict=True)
            ranges = [range(first if axis == "pos" else 0, size) for axis, size in sizes]
            for at in itertools.product(*ranges):
                yield Part(self, layer, at)

    def until(self, value: Float[Tensor, "..."], n_pos: int) -> Float[Tensor, "..."]:
        """The first `n_pos` positions of one row's activation."""
        return value[self.site.index(pos=slice(n_pos), key_pos=slice(n_pos))]

    def summed(self, numbers: Float[Tensor, "..."]) -> Float[Tensor, "*axes"]:
        """One layer's numbers, shaped like its activation, summed over what each part holds."""
        axes, columns = self.kind.axes, self.site.columns
        rest = [index for index, column in enumerate(columns) if column not in axes]
        kept = [column for column in columns if column in axes]
        return numbers.sum(rest).permute([kept.index(axis) for axis in axes])


@dataclass(frozen=True)
class Part:
    """One part of a place, such as head 3 of layer 2."""

    place: Place
    """What it is a part of."""
    layer: int
    """The block, from 0."""
    at: tuple[int, ...]
    """A number for each of the kind's axes; none for a whole layer's."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.place.kind

    @property
    def numbers(self) -> dict[str, int]:
        """Which one it is, by axis."""
        return dict(zip(self.kind.axes, self.at, strict=True))

    @property
    def number(self) -> int:
        """Its first number, which of one axis says all; −1 for a whole layer's."""
        return self.at[0] if self.at else -1

    @property
    def head(self) -> int:
        """Which head; −1 for all that is none."""
        return self.numbers.get("head", -1)

    @property
    def name(self) -> str:
        """As `Kind.spell` writes it: `L3H0`."""
        return self.kind.spell(layer=self.layer, **self.numbers)

    def cell(self, layers: Sequence[int]) -> tuple[int, ...]:
        """Its index in a map of its place, [layer, …] with the kind's axes, of these layers."""
        return layers.index(self.layer), *self.at

    @property
    def hook(self) -> str:
        """Where the activation is found that it is a part of."""
        return self.place.site(self.layer)

    def of(self, value: Float[Tensor, "..."]) -> Float[Tensor, "pos ..."]:
        """Its own part of one row's activation, at every position: [pos, d], of weights [query_pos, key_pos]."""
        return value[self.place.site.index(**self._across())]

    def put(self, value: Float[Tensor, "pos ..."], first: int = 0, end: int | None = None) -> Intervention:
        """What takes its place.

        Args:
            value: For every position, shaped as from `of`.
            first: First position it holds for; a part of one position holds for that one alone.
            end: The position after its last; None for all.
        """
        at = self.numbers
        if "pos" in at:
            first, end = at["pos"], at["pos"] + 1
        head, neuron = at.get("head"), at.get("neuron")
        return Intervention(self.place.site.name, self.layer, value[first:end], head, first, end, neuron=neuron)

    def _across(self) -> dict[str, int | slice]:
        """Its index along all axes but the position's; a neuron keeps its axis, of one."""
        at = {axis: number for axis, number in self.numbers.items() if axis != "pos"}
        return at | {"neuron": slice(at["neuron"], at["neuron"] + 1)} if "neuron" in at else at


def _size(site: Site, column: str, model: Model, layer: int, n_pos: int) -> int:
    axis = site.axes[site.columns.index(column)]
    if axis == "neuron":
        return model.n_neurons(layer)
    return {"pos": n_pos, "head": model.n_heads, "kv_head": model.n_kv_heads}[axis]


HEAD = Place(Kind("head", ("L{layer}H{head}",), "head", "heads", "L{layer}H{head}"), hooks.z)
ATTENTION = Place(
    Kind("attn_out", ("attention {layer}",), "attention layer", "attention layers", "attention {layer}"),
    hooks.attn_out,
)
MLP = Place(Kind("mlp_out", ("MLP {layer}",), "MLP", "MLPs", "MLP {layer}"), hooks.mlp_out)
NEURON = Place(
    Kind("neuron", ("L{layer}N{neuron}",), "neuron", "neurons", "neuron {neuron} of layer {layer}"), hooks.post
)
POSITION = Place(
    Kind(
        "position",
        ("L{layer}P{pos}", "L{layer}@{pos}"),
        "position",
        "positions",
        "what {pos} holds before layer {layer}",
    ),
    hooks.resid_pre,
)

# What patching cuts by position too. The same activations; which one `L3@4` means, the setting `site` says.
RESID_PRE = Place(
    Kind(
        "resid_pre",
        ("L{layer}@{pos}", "L{layer}P{pos}"),
        "place in the residual stream",
        "places in the residual stream",
        "before layer {layer} at {pos}",
    ),
    hooks.resid_pre,
)
ATTENTION_AT = Place(
    Kind(
        "attn_out",
        ("L{layer}@{pos}", "attention {layer}@{pos}"),
        "attention output",
        "attention outputs",
        "attention {layer} at {pos}",
    ),
    hooks.attn_out,
)
MLP_AT = Place(
    Kind("mlp_out", ("L{layer}@{pos}", "MLP {layer}@{pos}"), "MLP output", "MLP outputs", "MLP {layer} at {pos}"),
    hooks.mlp_out,
)
HEAD_AT = Place(
    Kind(
        "head_pos",
        ("L{layer}H{head}@{pos}",),
        "head at a position",
        "heads by position",
        "L{layer}H{head} at {pos}",
    ),
    hooks.z,
)
QUERIES = Place(
    Kind("q", ("L{layer}H{head}",), "head's queries", "queries", "the queries of L{layer}H{head}", "carry"), hooks.q
)
KEYS = Place(Kind("k", ("L{layer}H{head}",), "head's keys", "keys", "the keys of L{layer}H{head}", "carry"), hooks.k)
VALUES = Place(
    Kind("v", ("L{layer}H{head}",), "head's values", "values", "the values of L{layer}H{head}", "carry"), hooks.v
)
PATTERN = Place(
    Kind(
        "pattern",
        ("L{layer}H{head}",),
        "head's attention pattern",
        "attention weights",
        "the attention weights of L{layer}H{head}",
        "carry",
    ),
    hooks.pattern,
)
