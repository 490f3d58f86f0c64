"""What a circuit is made of: a model's parts as nodes, and what each reads of each earlier one as edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool

from mi_core.errors import InputError, choose
from mi_core.interventions.place import HEAD, MLP, NEURON, Place
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.text.sentences import SENTENCES

#: The kinds of nodes that can be searched together; MLPs that are no nodes are always kept.
PARTS = {"head_mlp": (HEAD, MLP), "head": (HEAD,), "head_neuron": (HEAD, NEURON)}
TOKENS, LOGITS = "tokens", "logits"
VIAS = ("q", "k", "v")
ADDS_UP = 1e-4  # of the largest number: more than this is not rounding


@dataclass(frozen=True)
class Nodes:
    """The nodes of one model, in the order of their layers, heads before what comes after them."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    """−1 for all that is no head."""
    at: dict[str, slice]
    """Which of them are parts of the activation at a hook."""

    def __len__(self) -> int:
        return len(self.names)


def nodes(model: Model, parts: str) -> Nodes:
    """Every node of the kinds that `parts` names, a key of `PARTS`.

    Raises:
        InputError: No such word, or the model has no such parts.
    """
    places = PARTS[choose(parts, PARTS, "parts", "kind of parts")]
    has = {place: set(model.layers(place.site)) for place in places}
    for place in places:
        model.require_change(place.site(min(has[place])))
    names, kinds, layers, heads, at = [], [], [], [], {}
    for layer in range(model.n_layers):
        for place in (place for place in places if layer in has[place]):
            found = list(place.parts(model, [layer], 0))
            at[place.site(layer)] = slice(len(names), len(names) + len(found))
            names += [part.name for part in found]
            kinds += [KIND[place]] * len(found)
            layers += [layer] * len(found)
            heads += [part.head for part in found]
    return Nodes(tuple(names), tuple(kinds), tuple(layers), tuple(heads), at)


KIND: dict[Place, str] = {HEAD: "head", MLP: "mlp", NEURON: "neuron"}


@dataclass(frozen=True)
class Edges:
    """Sources (the tokens, then heads and MLP of each layer) and readers (q, k and v of each head and the MLP's input
    of each layer, then the logits), and which of these can read which.
    """

    n_layers: int
    n_heads: int
    serial: bool
    """Whether an MLP reads what attention of its own layer wrote."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what writes."""
        inside = [name for layer in range(self.n_layers) for name in (*self._heads(layer), f"MLP {layer}")]
        return (TOKENS, *inside)

    @property
    def readers(self) -> tuple[tuple[str, str], ...]:
        """(name, input) of what reads: `q`, `k`, `v` of a head, `in` of an MLP and the logits."""
        found = []
        for layer in range(self.n_layers):
            found += [(name, via) for via in VIAS for name in self._heads(layer)] + [(f"MLP {layer}", "in")]
        return (*found, (LOGITS, "in"))

    @cached_property
    def possible(self) -> Bool[np.ndarray, "reader source"]:
        """Where the source comes before the reader."""
        allowed = np.zeros((len(self.readers), len(self.sources)), dtype=bool)
        for layer in range(self.n_layers):
            rows, before = self.readers_of(layer), self.first_source(layer)
            allowed[rows, :before] = True
            if self.serial:
                allowed[rows.stop - 1, self.heads_of(layer)] = True
        allowed[-1] = True
        return allowed

    def readers_of(self, layer: int) -> slice:
        """Queries of all heads, keys, values, then the MLP."""
        width = len(VIAS) * self.n_heads + 1
        return slice(layer * width, (layer + 1) * width)

    def first_source(self, layer: int) -> int:
        """The index of the first source of a layer: so many come before it."""
        return 1 + layer * (self.n_heads + 1)

    def heads_of(self, layer: int) -> slice:
        """Sources that are heads of a layer; the one after them is its MLP."""
        first = self.first_source(layer)
        return slice(first, first + self.n_heads)

    def listed(self) -> list[tuple[str, str, str]]:
        """(from, to, via) of every edge, in the order of `possible[possible]`."""
        sources, readers = self.sources, self.readers
        return [(sources[source], *readers[reader]) for reader, source in np.argwhere(self.possible)]

    def reach(self, kept: Bool[np.ndarray, "reader source"]) -> Bool[np.ndarray, "reader source"]:
        """The kept edges from which the logits can be reached along kept edges."""
        alive, useful = {LOGITS}, np.zeros_like(kept)
        names, sources = [name for name, _ in self.readers], self.sources
        for reader in reversed(range(len(names))):
            if names[reader] in alive:
                useful[reader] = kept[reader]
                alive |= {sources[source] for source in np.flatnonzero(kept[reader])}
        return useful

    def _heads(self, layer: int) -> list[str]:
        return [HEAD.kind.spell(layer=layer, head=head) for head in range(self.n_heads)]


def edges(model: Model) -> Edges:
    """The edges of this model.

    Raises:
        InputError: What a part reads of each other cannot be told apart in this model.
    """
    if reason := obstacle(model):
        raise InputError(reason, "unit")
    return Edges(model.n_layers, model.n_heads, _serial(model))


def obstacle(model: Model) -> str:
    """Why the edges of a model cannot be cut one by one, as a sentence for its reader; "" where they can."""
    found = model.opening
    refused = {**found.unread, **found.unfelt}
    sites = ("q", "k", "v", "z", "attn_out", "mlp_out", "resid_pre", "resid_post")
    is_plain = found.adds_up and found.mixes and found.keys_and_values and found.tokens_once
    if not is_plain or found.logit_scale is None or any(site in refused for site in sites) or model.has_experts:
        return (
            f"In {model.id} what one part reads of another cannot be cut by itself: search among nodes instead of "
            "edges, or choose another model."
        )
    return (
        ""
        if _writes_add_up(model)
        else (
            f"In {model.id} heads do more than add up to what attention writes, so edges between them cannot be cut: "
            "search among nodes instead of edges."
        )
    )


@torch.no_grad()
def _writes_add_up(model: Model) -> bool:
    """Whether attention writes what its heads write, through the O projection and a norm behind it."""
    try:
        each = [model.w_o(layer) for layer in range(model.n_layers)]
    except InputError:
        return False
    tokens = model.tokens(SENTENCES[0][:20])
    layers = range(model.n_layers)
    acts = model.run(tokens, [site(layer) for layer in layers for site in (hooks.z, hooks.attn_out)])
    for layer in layers:
        made = torch.einsum("phd,hdw->pw", acts[hooks.z(layer)], each[layer]) + model.attn_o_bias(layer)
        post = model.attn_post_norm(layer)
        out = made if post is None else post.apply(made)
        if (out - acts[hooks.attn_out(layer)]).abs().max() > ADDS_UP * (1 + acts[hooks.attn_out(layer)].abs().max()):
            return False
    return True


@torch.no_grad()
def _serial(model: Model) -> bool:
    """Whether the first MLP notices a change of what attention wrote in its layer."""
    ids = model.rows([model.tokens(SENTENCES[0][:20]).ids])
    name, read = hooks.attn_out(0), hooks.mlp_out(0)
    plain = model.run_ids(ids, [read])[read]
    shift = torch.linspace(-1, 1, model.d_model, device=model.device)
    other = model.run_ids(ids, [read], changes={name: lambda x, hook: x + shift})[read]
    return not torch.equal(plain, other)


def top(score: np.ndarray, count: int) -> Bool[np.ndarray, " part"]:
    """The `count` parts whose scores are largest, whatever their sign; of equal ones the earlier."""
    chosen = np.zeros(len(score), dtype=bool)
    chosen[order(score)[:count]] = True
    return chosen


def order(score: np.ndarray) -> np.ndarray:
    """Indices from the largest score to the smallest, whatever their sign; of equal ones the earlier first."""
    return np.argsort(-np.abs(score), kind="stable")


def similar(sets: Sequence[Bool[np.ndarray, " part"]]) -> float:
    """Jaccard similarity, averaged over every two of these sets; NaN for fewer than two."""
    shares = [
        (one & other).sum() / max((one | other).sum(), 1) for i, one in enumerate(sets) for other in sets[i + 1 :]
    ]
    return float(np.mean(shares)) if shares else float("nan")
