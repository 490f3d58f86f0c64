"""The whole graph: every node's worth to the answer, and what of it came through each node before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.graphs import component_nodes
from mi_core.graphs.account import Account, Pass
from mi_core.graphs.component_nodes import Reading
from mi_core.graphs.feature_nodes import feature_nodes
from mi_core.graphs.kinds import ANSWER, BIAS, TOKEN
from mi_core.graphs.nodes import Node, writes
from mi_core.graphs.pull import at_position, pull
from mi_core.models import hooks
from mi_core.saes.sae import Sae

LEAST = 1e-3  # logits: no answer to share out is smaller

Told = Callable[[int], None]


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of their levels, the answer last; of edges [reader, source] in logits."""

    nodes: tuple[Node, ...]
    edge: Float[np.ndarray, "reader source"]
    """What of the reader's score came through the source; 0 where nothing can."""
    total: float
    """The answer, or its difference between the prompts, in logits."""
    sums: tuple[tuple[int, float], ...]
    """(level, sum of the worth of all that stands in the stream there)."""
    missing: float
    """How far a node's incoming edges are from adding up to its score, at most, in logits."""

    @property
    def places_off(self) -> float:
        """How far the sum of a place is from the answer, at most, as a share of it."""
        return max(abs(value - self.total) for _, value in self.sums) / max(abs(self.total), LEAST)

    @property
    def nodes_off(self) -> float:
        """`missing` as a share of the answer."""
        return self.missing / max(1.0, abs(self.total))

    @property
    def score(self) -> Float[np.ndarray, " node"]:
        """What each node is worth to the answer."""
        return np.array([node.score for node in self.nodes])


@dataclass(frozen=True)
class _Level:
    """What stands at one place, and what each node of it asks of the stream one place before."""

    nodes: list[Node]
    asks: Float[Tensor, "node pos d_model"] | None
    """None for what asks nothing: tokens."""


def feature_graph(account: Account, saes: Sequence[Sae], unread: Bool[Tensor, " pos"], most: int, told: Told) -> Graph:
    """Features and errors at the places of `saes`, in their order; edges join neighbouring places.

    Args:
        account: The answer.
        saes: SAEs of residual streams, one a place, the earliest first.
        unread: Positions that SAEs are not trained on.
        most: Features to tell apart at each place.
        told: Called with every place that is done.
    """
    first = hooks.resid_pre(0)
    names = [sae.hook for sae in saes]
    clean, other, total = account.both([first, *names])
    alone = account.other is None
    levels, sums = [], []
    later: tuple[str, Float[Tensor, "node d_model"], list[Node]] | None = None
    for sae in reversed(saes):
        asked = [later[0]] if later else []
        with account.passing(sae.hook, clean[sae.hook], other[sae.hook], asked) as run:
            worth = run.worth()
            if later:
                levels.append(_Level(later[2], _asked(run, *later)))
        found = feature_nodes(sae, clean[sae.hook], None if alone else other[sae.hook], worth, unread, most)
        sums.append((sae.residual_layer, float(((clean[sae.hook] - other[sae.hook]) * worth).sum())))
        later = (sae.hook, found.reads, found.nodes)
        told(1)
    assert later is not None, "a graph of features has an SAE at least"
    with account.passing(first, clean[first], other[first], [later[0]]) as run:
        worth = run.worth()
        own = later[0] == first
        asks = at_position(later[1], [node.pos for node in later[2]], len(clean[first])) if own else _asked(run, *later)
        levels.append(_Level(later[2], asks))
    sums.append((-1, float(((clean[first] - other[first]) * worth).sum())))
    levels.append(_Level(_tokens(clean[first] - other[first], worth), None))
    return _joined(levels[::-1], sums[::-1], total, alone, None)


def _asked(run: Pass, hook: str, reads: Float[Tensor, "node d_model"], nodes: list[Node]) -> Tensor:
    """What readers of the stream at `hook` ask of the stream that the runs begin with, averaged over these."""
    back = at_position(reads, [node.pos for node in nodes], run.start.shape[1])[:, None] * _each(run)
    (asks,) = pull(run.acts[hook], [run.start], back)
    assert asks is not None, "a later stream is made of the earlier one"
    return asks.sum(1).detach()


def _each(run: Pass) -> Float[Tensor, "row 1 1"]:
    return run.weight[:, None, None]


def _tokens(change: Float[Tensor, "pos d_model"], worth: Float[Tensor, "pos d_model"]) -> list[Node]:
    return [
        Node(TOKEN, -1, pos, -1, write, hooks.resid_pre(0), float(write @ worth[pos]))
        for pos, write in enumerate(change)
        if write.norm() > 0
    ]


def component_graph(account: Account, most: int, by_neuron: bool, told: Told) -> Graph:
    """Heads and MLPs, or heads and neurons; an edge joins a node to every later one that reads the stream.

    Args:
        account: The answer.
        most: Heads and neurons to tell apart in each layer.
        by_neuron: MLPs neuron by neuron.
        told: Called with every layer that is done.
    """
    model = account.model
    first, last = hooks.resid_pre(0), hooks.resid_post(model.n_layers - 1)
    inside = [name for layer in range(model.n_layers) for name in component_nodes.sites(model, layer)]
    clean, other, total = account.both([*model.resid_names(), *inside])
    levels, sums, within = [], [], []
    with account.passing(last, clean[last], other[last], []) as run:
        end = worth = run.worth()
    sums.append((model.n_layers, float(((clean[last] - other[last]) * worth).sum())))
    for layer in reversed(range(model.n_layers)):
        found = component_nodes.written(model, layer, clean, other, worth, most, by_neuron)
        name = hooks.resid_pre(layer)
        with account.passing(name, clean[name], other[name], component_nodes.sites(model, layer)) as run:
            asks, own = _read(account, run, layer, found.nodes, found.reading, worth, clean[name] - other[name])
            worth = run.worth()
        levels.append(_Level(found.nodes, asks))
        within.append(own)
        sums.append((layer, float(((clean[name] - other[name]) * worth).sum())))
        told(1)
    levels.append(_Level(_tokens(clean[first] - other[first], worth), None))
    return _joined(levels[::-1], sums[::-1], total, account.other is None, end, [None, *within[::-1]])


def _read(
    account: Account,
    run: Pass,
    layer: int,
    nodes: list[Node],
    reading: list[Reading | None],
    worth: Float[Tensor, "pos d_model"],
    change: Float[Tensor, "pos d_model"],
) -> tuple[Float[Tensor, "node pos d_model"], Float[Tensor, "node node"]]:
    """What each node of a layer asks of the stream before it, and what neurons or the MLP ask of the layer's heads."""
    asks = torch.zeros(len(nodes), *worth.shape, dtype=worth.dtype, device=worth.device)
    own = torch.zeros(len(nodes), len(nodes), dtype=worth.dtype, device=worth.device)
    z = hooks.z(layer)
    speed: Tensor | None = None
    for hook in dict.fromkeys(one.hook for one in reading if one):
        members = [i for i, one in enumerate(reading) if one and one.hook == hook]
        out = component_nodes.worth_of_parts(account.model, run.acts, layer, hook, worth)
        back = _back(run, out, nodes, reading, members)
        after = z in run.acts.sites and hook != z
        found = pull(out, [run.start, run.acts[z]] if after else [run.start], back)
        direct = found[0]
        assert direct is not None, "every part reads the stream"
        if after and found[1] is not None:
            (through,) = pull(run.acts[z], [run.start], found[1])
            assert through is not None, "heads read the stream"
            direct = direct - through
            speed = _speed(run, z, change) if speed is None else speed
            of_head = torch.einsum("trphd,rphd->tph", found[1], speed)
            for j, (node, one) in enumerate(zip(nodes, reading, strict=True)):
                if one and one.hook == z:
                    own[members, j] = of_head[:, node.pos, list(one.parts)].sum(-1).to(own.dtype)
        asks[members] = direct.sum(1).to(asks.dtype)
    return asks.detach(), own.detach()


def _back(
    run: Pass,
    out: Float[Tensor, "row pos part"],
    nodes: list[Node],
    reading: list[Reading | None],
    members: list[int],
) -> Float[Tensor, "node row pos part"]:
    """Which parts at which position each of these nodes is made of, averaged over the runs."""
    back = out.new_zeros(len(members), *out.shape)
    for row, i in enumerate(members):
        one = reading[i]
        assert one is not None, "constants read nothing"
        back[row, :, nodes[i].pos, list(one.parts)] = run.weight[:, None]
    return back


def _speed(run: Pass, hook: str, change: Float[Tensor, "pos d_model"]) -> Float[Tensor, "row pos ..."]:
    """How fast an activation changes on the way between the streams: its Jacobian times their difference.

    By the gradient of a gradient, which is linear in what it is given.
    """
    out = run.acts[hook]
    probe = torch.zeros_like(out, requires_grad=True)
    (back,) = torch.autograd.grad(out, run.start, probe, create_graph=True)
    return torch.autograd.grad(back, probe, change.expand_as(back), retain_graph=True)[0]


def _joined(
    levels: list[_Level],
    sums: list[tuple[int, float]],
    total: float,
    alone: bool,
    worth: Float[Tensor, "pos d_model"] | None,
    within: Sequence[Tensor | None] = (),
) -> Graph:
    """All levels together.

    Args:
        levels: From the tokens on.
        sums: Of each place.
        total: The answer.
        alone: Whether it is of one prompt, whose biases bring what no node does.
        worth: What the last stream is worth, where every node may reach the answer; None where the last level's do.
        within: [level] What nodes of a level bring to others of it.
    """
    nodes = [node for level in levels for node in level.nodes]
    starts = np.cumsum([0, *(len(level.nodes) for level in levels)])
    n = len(nodes)
    edge, reads = np.zeros((n, n)), np.zeros(n, dtype=bool)
    for index, level in enumerate(levels):
        if level.asks is None or not level.nodes:
            continue
        begin, end = int(starts[index - 1]) if worth is None else 0, int(starts[index])
        rows = slice(end, end + len(level.nodes))
        if end > begin:
            sources = nodes[begin:end]
            at = torch.tensor([node.pos for node in sources])
            edge[rows, begin:end] = (level.asks[:, at] * writes(sources)).sum(-1).double().cpu().numpy()
        if within and (own := within[index]) is not None:
            edge[rows, rows] = own.double().cpu().numpy()
        reads[rows] = (level.asks.abs().sum((1, 2)) > 0).cpu().numpy()
    score = np.array([node.score for node in nodes])
    if worth is None:
        answer = np.where(np.arange(n) >= starts[-2], score, 0.0)
    else:
        answer = (writes(nodes) * worth[torch.tensor([node.pos for node in nodes])]).sum(-1).double().cpu().numpy()
    nodes.append(Node(ANSWER, 0, -1, -1, torch.zeros(0), "", total))
    edge = np.vstack([np.hstack([edge, np.zeros((n, 1))]), np.append(answer, 0.0)])
    short = np.append(np.where(reads, score - edge[:n].sum(1), 0.0), total - answer.sum())
    if not alone:
        return Graph(tuple(nodes), edge, total, tuple(sums), float(np.abs(short).max()))
    bias = Node(BIAS, -1, -1, -1, torch.zeros(0), "", float(short.sum()))
    edge = np.pad(edge, ((1, 0), (1, 0)))
    edge[1:, 0] = short
    return Graph((bias, *nodes), edge, total, tuple(sums), 0.0)
