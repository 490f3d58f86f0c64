"""Attention cut from one token to another: what the first can then no longer read of the second directly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.kind import Kind
from mi_core.models import hooks
from mi_core.models.model import Model

ARROWS = ("→", "->")


def _kind(name: str, form: str, noun: str, plural: str) -> Kind:
    return Kind(name, tuple(form.format(arrow=arrow) for arrow in ARROWS), noun, plural, plural)


KEY = _kind("key", "attention@{{query_pos}}{arrow}{{key_pos}}", "token that is read", "tokens that are read")
EDGE_LAYER = _kind(
    "edge_layer", "attention {{layer}}@{{query_pos}}{arrow}{{key_pos}}", "layer that reads it", "layers that read it"
)
EDGE = _kind("edge", "L{{layer}}H{{head}}@{{query_pos}}{arrow}{{key_pos}}", "head that reads it", "heads that read it")
CUTS = (KEY, EDGE_LAYER, EDGE)


@dataclass(frozen=True)
class Cut:
    """Attention from `query_pos` to `key_pos` in one head, all heads of one layer, or all of all layers.

    The score is taken as −∞ before the softmax, so that what the other tokens have grows to fill the row (attention
    knockout, Geva et al. 2023, "Dissecting Recall of Factual Associations in Auto-Regressive Language Models").
    """

    kind: Kind
    """One of `CUTS`."""
    layers: tuple[int, ...]
    """The blocks it is cut in."""
    head: int
    """The only head it is cut in; −1: all."""
    query_pos: int
    """The token that reads."""
    key_pos: int
    """The token that is no longer read."""
    sinks: bool = False
    """Whether a learned sink has a share of every row, which grows with the others."""

    @property
    def layer(self) -> int:
        """The block; −1 where it is cut in all of them."""
        return -1 if self.kind == KEY else self.layers[0]

    @property
    def number(self) -> int:
        """Which head, or which token that is read; −1 for a layer's."""
        return {KEY: self.key_pos, EDGE: self.head}.get(self.kind, -1)

    @property
    def name(self) -> str:
        """`attention@8→2`, `attention 3@8→2` or `L3H0@8→2`."""
        return self.kind.spell(layer=self.layer, head=self.head, query_pos=self.query_pos, key_pos=self.key_pos)

    @property
    def hooks(self) -> tuple[str, ...]:
        """Where it is cut."""
        return tuple(map(hooks.pattern, self.layers))

    def run(self) -> list[Intervention]:
        """The interventions that cut it."""
        return [self._map(layer, self.without) for layer in self.layers]

    def nothing(self) -> list[Intervention]:
        """The same with every weight put back as it was: changes nothing."""
        return [self._map(layer, lambda x, start: x.clone()) for layer in self.layers]

    def without(
        self, x: Float[Tensor, "*head query_pos key_pos"], start: int = 0
    ) -> Float[Tensor, "*head query_pos key_pos"]:
        """Rows of attention weights with nothing at `key_pos`, as a softmax without that score gives them.

        Raises:
            InputError: A row has nothing else.
        """
        rest = x.clone()
        rest[..., self.key_pos] = 0
        left = rest.sum(-1, keepdim=True)
        if self.sinks:
            left = left + (1 - x.sum(-1, keepdim=True)).clamp(min=0)
        if bool((left <= 0).any()):
            raise InputError(
                f"Some head reads token {self.key_pos} alone from token {self.query_pos}: with {self.name} cut it "
                "would read nothing. Choose other tokens, or heads that read others too.",
                "key_pos",
            )
        return rest / left

    def _map(self, layer: int, function) -> Intervention:
        return Intervention(
            hooks.pattern.name, layer, function, None if self.head < 0 else self.head,
            first=self.query_pos, end=self.query_pos + 1, operation="map",
        )  # fmt: skip


def cut(
    model: Model,
    layer: int | None,
    head: int | None,
    query_pos: int,
    key_pos: int,
    n_pos: int,
    field: str | None = None,
) -> Cut:
    """Attention from one token to another cut in one head, one layer or everywhere.

    Args:
        model: The model.
        layer: Only in this block; None for all that have attention.
        head: Only in this head; needs `layer`.
        query_pos: The token that reads.
        key_pos: The token that is no longer read.
        n_pos: How many positions there are.
        field: The setting that all of it came from; None where each number has its own.

    Raises:
        InputError: No such layer, head or position, or none that could be read; or weights of this model cannot be
            changed.
    """
    if head is not None and layer is None:
        raise InputError("A head belongs to a layer: choose the layer too.", "layer")
    every = model.layers(hooks.pattern)
    layers = every if layer is None else (model.layer(layer, field or "layer"),)
    for each in layers:
        model.require_change(hooks.pattern(each))
    if head is not None:
        model.head(head, field or "head")
    if n_pos == 1:
        raise InputError("The only token here reads nothing but itself: write a longer prompt.", field or "prompt")
    if not 0 < query_pos < n_pos:
        raise InputError(
            f"Token {query_pos} is none that reads another: choose one from 1 to {n_pos - 1}.", field or "query_pos"
        )
    if not 0 <= key_pos <= query_pos:
        raise InputError(
            f"Token {query_pos} cannot read token {key_pos}: choose one from 0 to {query_pos}, the tokens up to it.",
            field or "key_pos",
        )
    kind = KEY if layer is None else EDGE_LAYER if head is None else EDGE
    return Cut(kind, layers, -1 if head is None else head, query_pos, key_pos, model.opening.sinks)


def cuts(
    model: Model,
    kind: Kind,
    layer: int | None,
    head: int | None,
    query_pos: int,
    key_pos: int | None,
    n_pos: int,
) -> list[Cut]:
    """What a sweep cuts one by one: every token that is read, or one token in every layer or in every head.

    Args:
        model: The model.
        kind: One of `CUTS`.
        layer: Only in this block; None for all.
        head: Only in this head; None for all.
        query_pos: The token that reads.
        key_pos: The token that is no longer read; None for each in turn, where `kind` is `KEY`.
        n_pos: How many positions there are.

    Raises:
        InputError: As `cut` does; or which token is read has to be said.
    """
    if kind == KEY:
        keys = range(query_pos + 1) if key_pos is None else [key_pos]
        return [cut(model, layer, head, query_pos, key, n_pos) for key in keys]
    if key_pos is None:
        raise InputError("Say which token is no longer read: choose its position.", "key_pos")
    layers: Iterable[int] = model.layers(hooks.pattern) if layer is None else [layer]
    heads = [None] if kind == EDGE_LAYER else range(model.n_heads) if head is None else [head]
    return [cut(model, each, one, query_pos, key_pos, n_pos) for each in layers for one in heads]
