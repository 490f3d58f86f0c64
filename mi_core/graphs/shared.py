"""What several graphs have in common: their nodes, wherever in the prompt they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mi_core.graphs.graph import Graph
from mi_core.graphs.kinds import ANSWER, BIAS, TOKEN

MATTERS = 0.01  # share of the answer that a node must be worth in a prompt to count as part of it

#: A hook and a feature's number → its label.
Labels = Callable[[str, int], str]


def shared(graphs: Sequence[Graph], labels: Labels) -> tuple[tuple[str, str, float, float], ...]:
    """Nodes by name, positions aside: (name, label, worth on average, share of prompts in which it matters)."""
    worth: dict[str, list[float]] = {}
    says: dict[str, str] = {}
    for row, graph in enumerate(graphs):
        for node in graph.nodes:
            if node.kind in (TOKEN, ANSWER, BIAS):
                continue
            name = node.name.partition("@")[0]
            says.setdefault(name, labels(node.hook, node.number))
            worth.setdefault(name, [0.0] * len(graphs))[row] += node.score
    least = MATTERS * np.array([abs(graph.total) for graph in graphs])
    found = [
        (name, says[name], float(np.mean(each)), float(np.mean(np.abs(each) >= least))) for name, each in worth.items()
    ]
    return tuple(sorted(found, key=lambda one: -abs(one[2])))
