"""A residual stream as what the tokens, heads and MLPs or neurons before it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.graphs.kinds import HEAD, MLP, NEURON, OTHERS, REST
from mi_core.graphs.nodes import Node
from mi_core.models import hooks, projection
from mi_core.models.model import Activations, Model

OFF = 1e-3  # share of what an MLP writes that its neurons may miss
NOTHING = 1e-6  # a shorter write is rounding


@dataclass(frozen=True)
class Reading:
    """Which heads, or neurons, at a hook a node is made of, at its position; of an MLP the only part is the whole."""

    hook: str
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What one layer wrote, node by node, and what each was made of; None for constants."""

    nodes: list[Node]
    reading: list[Reading | None]


def sites(model: Model, layer: int) -> list[str]:
    """Every hook that `written` reads of a layer."""
    inside = (hooks.z, hooks.attn_o, hooks.attn_out, hooks.post, hooks.mlp_value, hooks.mlp_out)
    return [site(layer) for site in inside if model.has(site(layer))]


@torch.no_grad()
def written(
    model: Model,
    layer: int,
    clean: dict[str, Tensor],
    other: dict[str, Tensor],
    worth: Float[Tensor, "pos d_model"],
    most: int,
    by_neuron: bool,
) -> Written:
    """The nodes of one layer: its strongest heads and neurons one by one, all others of a position together.

    Args:
        model: The model.
        layer: The layer.
        clean: The prompt's activations at `sites`.
        other: The second prompt's, or nothing.
        worth: What each direction of the stream after the layer is worth.
        most: Heads and neurons to tell apart.
        by_neuron: MLPs neuron by neuron.
    """
    groups = []
    if hooks.attn_out(layer) in clean:
        groups.append(_heads(model, layer, clean, other, worth))
    groups.append(_mlp(model, layer, clean, other, worth, by_neuron))
    sizes = torch.cat([group.scores.abs().flatten() for group in groups])
    least = sizes.topk(min(most, len(sizes))).values[-1] if most else torch.tensor(torch.inf)
    nodes, reading = [], []
    for group in groups:
        for node, read in group.told(layer, worth, least):
            nodes.append(node)
            reading.append(read)
    return Written(nodes, reading)


@dataclass(frozen=True)
class _Group:
    """What attention, or an MLP, wrote: `amount` [pos, part, *] times `rows`, and what no part owns."""

    kind: str
    out: str
    read: str
    change: Float[Tensor, "pos d_model"]
    scores: Float[Tensor, "pos part"]
    piece: Callable[[int, int], Float[Tensor, " d_model"]]
    whole: bool = False
    """Whether the only part is all of it."""

    def told(self, layer: int, worth: Tensor, least: Tensor) -> Iterator[tuple[Node, Reading | None]]:
        kept = self.scores.abs() >= least
        for pos in range(len(self.change)):
            rest, names = self.change[pos], kept[pos].nonzero()[:, 0].tolist()
            if self.whole:
                names = [0]
            for part in names:
                write = self.piece(pos, part)
                rest = rest - write
                if write.norm() > NOTHING:
                    number = -1 if self.whole else part
                    node = Node(self.kind, layer, pos, number, write, self.out, float(write @ worth[pos]))
                    yield node, Reading(self.read, (part,))
            others = (~kept[pos]).nonzero()[:, 0].tolist()
            if rest.norm() > 1e-4 * (1 + self.change[pos].norm()):
                kind = OTHERS if others and not self.whole else REST
                node = Node(kind, layer, pos, -1, rest, self.out, float(rest @ worth[pos]))
                yield node, Reading(self.read, tuple(others)) if kind == OTHERS else None


def _heads(model: Model, layer: int, clean: dict[str, Tensor], other: dict[str, Tensor], worth: Tensor) -> _Group:
    w_o, post, out = model.w_o(layer), model.attn_post_norm(layer), hooks.attn_out(layer)
    each = torch.einsum("phd,hdw->phw", clean[hooks.z(layer)], w_o)
    less = torch.einsum("phd,hdw->phw", other[hooks.z(layer)], w_o)
    if post is not None:
        each = post.linear(each) / post.scale(clean[hooks.attn_o(layer)])[:, None]
        less = post.linear(less) / post.scale(other[hooks.attn_o(layer)])[:, None]
    each = each - less
    scores = (each * worth[:, None]).sum(-1)
    return _Group(HEAD, out, hooks.z(layer), clean[out] - other[out], scores, lambda pos, head: each[pos, head])


def _mlp(
    model: Model, layer: int, clean: dict[str, Tensor], other: dict[str, Tensor], worth: Tensor, by_neuron: bool
) -> _Group:
    out = hooks.mlp_out(layer)
    change = clean[out] - other[out]
    if not by_neuron:
        scores = (change * worth).sum(-1, keepdim=True)
        return _Group(MLP, out, out, change, scores, lambda pos, _: change[pos], whole=True)
    module, post = model.bridge.blocks[layer].mlp.out.original_component, model.mlp_post_norm(layer)
    n = model.n_neurons(layer)
    rows = torch.stack([projection.row(module, neuron, change[0]) for neuron in range(n)])
    own, less = clean[hooks.post(layer)], other[hooks.post(layer)]
    value = clean[hooks.mlp_value(layer)]
    made = own @ rows + model.mlp_bias(layer)
    if (made - value).norm() > OFF * value.norm() or (
        post is None and (value - clean[out]).norm() > OFF * value.norm()
    ):
        raise InputError(
            f"What the MLP in layer {layer} of {model.id} writes is more than its neurons: choose heads and MLPs.",
            "basis",
        )
    if post is not None:
        rows = post.linear(rows)
        own = own / post.scale(clean[hooks.mlp_value(layer)])
        less = less / post.scale(other[hooks.mlp_value(layer)])
    amount = own - less
    scores = amount * (worth @ rows.T)
    read = hooks.post(layer)
    return _Group(NEURON, out, read, change, scores, lambda pos, neuron: amount[pos, neuron] * rows[neuron])


def worth_of_parts(
    model: Model, acts: Activations, layer: int, hook: str, worth: Float[Tensor, "pos d_model"]
) -> Float[Tensor, "row pos part"]:
    """What each head, each neuron or the whole MLP writes at every position, times what that is worth.

    With its gradient: a norm behind attention or the MLP is part of it.

    Args:
        model: The model.
        acts: Runs that kept `sites` of the layer.
        layer: The layer.
        hook: Where its parts are: z, post or mlp_out.
        worth: What each direction of the stream after the layer is worth.
    """
    x = acts[hook]
    if hook == hooks.mlp_out(layer):
        return (x * worth).sum(-1, keepdim=True)
    is_head = hook == hooks.z(layer)
    post = model.attn_post_norm(layer) if is_head else model.mlp_post_norm(layer)
    inner = worth if post is None else post.pull_back(worth)
    back = model.attn_o_pull_back(layer, inner) if is_head else model.mlp_pull_back(layer, inner)
    parts = (x * back).sum(-1) if is_head else x * back
    if post is None:
        return parts
    return parts / post.scale(acts[hooks.attn_o(layer) if is_head else hooks.mlp_value(layer)])
