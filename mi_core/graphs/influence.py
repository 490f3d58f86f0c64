"""Which nodes and edges an answer rests on, followed back through the graph; and how far the graph explains it.

As in Ameisen et al. 2025, "Circuit Tracing": the sizes of a node's incoming edges are shares that sum to 1, and a
node's influence is its share of the answer along all ways to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mi_core.graphs.kinds import ANSWER, BIAS, ERROR, REST, SOURCES, START, TOKEN

NODES, EDGES = 0.8, 0.98  # shares of the influence that are kept
NODES_SHARES, EDGES_SHARES = (0.3, 1.0), (0.5, 1.0)
MOST_DRAWN = 60
UNEXPLAINED = (ERROR, REST)


def influence(
    kinds: Sequence[str], edge: Float[np.ndarray, "reader source"]
) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, "reader source"]]:
    """Of each node, and of each edge: shares of the answer that go through it. Of the answer itself 1."""
    share = _shares(kinds, edge)
    weight = np.array([kind == ANSWER for kind in kinds], dtype=float)
    # w + wÂ + wÂ² + …: the sum ends, because edges only lead onwards
    node = np.linalg.solve(np.eye(len(kinds)) - share.T, weight)
    return node, share * node[:, None]


def edge_influence(
    kinds: Sequence[str], edge: Float[np.ndarray, "reader source"], node: Float[np.ndarray, " node"]
) -> Float[np.ndarray, "reader source"]:
    """`influence` of each edge, from that of the nodes."""
    return _shares(kinds, edge) * node[:, None]


def _shares(kinds: Sequence[str], edge: Float[np.ndarray, "reader source"]) -> Float[np.ndarray, "reader source"]:
    """Incoming edges by size, to sum to 1, biases aside; nothing comes into what is unexplained."""
    size = np.abs(edge)
    size[[kind in SOURCES for kind in kinds]] = 0.0
    size[:, [kind == BIAS for kind in kinds]] = 0.0
    total = size.sum(1, keepdims=True)
    return size / np.where(total > 0, total, 1.0)


@dataclass(frozen=True)
class Scores:
    """How far the graph explains its answer, each from 0 to 1; and the `influence` of each node, which says it."""

    influence: Float[np.ndarray, " node"]
    replacement: float
    """Of the influence that ends in tokens or errors, the tokens' share."""
    completeness: float
    """Of what comes into the nodes, weighted by their influence, the share that is no error."""


def graph_scores(kinds: Sequence[str], edge: Float[np.ndarray, "reader source"]) -> Scores:
    """The replacement and the completeness score of a graph."""
    node, _ = influence(kinds, edge)
    tokens = node[[kind in (TOKEN, START) for kind in kinds]].sum()
    is_error = np.array([kind in UNEXPLAINED for kind in kinds])
    errors = node[is_error].sum()
    share = _shares(kinds, edge)
    reads = share.sum(1) > 0
    explained = 1 - share[:, is_error].sum(1)
    weight = np.where(reads, node, 0.0)
    return Scores(node, float(tokens / max(tokens + errors, 1e-12)), float((explained * weight).sum() / weight.sum()))


@dataclass(frozen=True)
class Pruned:
    """What is left of a graph."""

    nodes: Bool[np.ndarray, " node"]
    edges: Bool[np.ndarray, "reader source"]


def prune(
    kinds: Sequence[str],
    edge: Float[np.ndarray, "reader source"],
    nodes: float = NODES,
    edges: float = EDGES,
    most: int | None = MOST_DRAWN,
    pinned: Sequence[int] = (),
) -> Pruned:
    """The nodes that together have the share `nodes` of all influence, then the edges that have the share `edges`.

    Tokens, the answer and what is pinned stay. Nodes that no edge enters or leaves any more go, as long as there are
    any.

    Args:
        kinds: Of each node.
        edge: The graph.
        nodes: Share of the influence that nodes keep.
        edges: Share that edges between them keep.
        most: Nodes that stay at most, tokens, the answer and what is pinned aside; None for all.
        pinned: Nodes that stay.
    """
    node, _ = influence(kinds, edge)
    always = np.array([kind in (TOKEN, ANSWER) for kind in kinds])
    kept = always | _largest(np.where(always, 0.0, node), nodes, most)
    always[list(pinned)] = True
    kept |= always
    inner = np.where(np.outer(kept, kept), edge, 0.0)
    _, through = influence(kinds, inner)
    shown = _largest(through.ravel(), edges, None).reshape(edge.shape)
    inside = np.array([kind not in SOURCES for kind in kinds])
    while True:
        leads, led = shown.any(0), shown.any(1)
        stays = kept & (always | (leads & (led | ~inside)))
        if (stays == kept).all():
            return Pruned(kept, shown)
        kept = stays
        shown &= np.outer(kept, kept)


def _largest(size: Float[np.ndarray, " part"], share: float, most: int | None) -> Bool[np.ndarray, " part"]:
    """The fewest that together have this share of the sum; never one of size 0."""
    order = np.argsort(-size, kind="stable")
    before = np.cumsum(size[order]) - size[order]
    enough = (before < share * size.sum() - 1e-12) & (size[order] > 0)
    kept = np.zeros(len(size), dtype=bool)
    kept[order[: min(int(enough.sum()), len(size) if most is None else most)]] = True
    return kept
