"""The charts of circuits: the parts that do a task by themselves."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.attribution_graph import attribution_graph as graph_picture
from charts.circuit_graph import circuit_graph
from charts.figures.table import table
from charts.size_curve import size_curve
from mi_core.models.tokens import visible

EDGES_SHOWN = 40
GRAPH_LINES = 80
PARTS = {"head_mlp": "heads and MLPs", "head": "heads", "head_neuron": "heads and neurons"}


def circuit(result: Any, *, title: str | None = None, shown: int = EDGES_SHOWN, picked: str = "") -> alt.LayerChart:
    """The parts of the circuit by layer, with the `shown` strongest edges; a click selects a node or an edge."""
    nodes, edges = (table(result, name) for name in ("nodes", "edges"))
    nodes, kept = pd.DataFrame(nodes[nodes["kept"]]), pd.DataFrame(edges[edges["kept"]])
    drawn = kept.head(shown)
    said = f"{len(drawn):,} of its {len(kept):,} edges, the strongest. " if len(kept) > len(drawn) else ""
    return circuit_graph(
        nodes,
        drawn,
        title=title or f"The circuit for {result.target.label}",
        subtitle=f"{said}Wide: a large effect. Dashed: against the answer." if len(kept) else "",
        picked=picked,
    )


def circuit_curve(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """How much circuits of each size keep, beside random ones."""
    of = "edges" if result.unit == "edge" else PARTS[result.parts]
    return size_curve(
        table(result, "faithfulness"),
        title=title or f"How much of the answer is kept, by the number of {of}",
        size=result.size,
        level=result.level,
        of=of,
    )


def attribution_graph(
    result: Any,
    *,
    title: str | None = None,
    lines: int = GRAPH_LINES,
    picked: str = "",
    **shown: Any,
) -> alt.LayerChart:
    """The graph's nodes by layer and position, with the `lines` strongest edges; a click selects a node or an edge.

    `shown` says what of it is shown, as the result's own `shown` takes it.
    """
    return saved_graph(
        result.shown(**shown),
        title=title or _graph_title(result),
        answer=visible(result.target.text),
        lines=lines,
        picked=picked,
    )


def saved_graph(shown: Any, *, title: str, answer: str, lines: int = GRAPH_LINES, picked: str = "") -> alt.LayerChart:
    """A graph as it was shown, computed or read from a file."""
    nodes = shown.nodes.rename(columns={"name": "component"})
    nodes["token"] = [visible(token) for token in nodes["token"]]
    drawn = shown.edges.head(lines)
    few = f"{len(drawn):,} of {len(shown.edges):,} lines, the strongest. " if len(shown.edges) > len(drawn) else ""
    return graph_picture(
        nodes,
        drawn,
        title=title,
        subtitle=f"{few}Wide: a large effect. Dashed: against the answer. Outlined: what no node explains.",
        picked=picked,
        answer=answer,
    )


def _graph_title(result: Any) -> str:
    if result.alone:
        return f"What {result.target.label} is a sum of, with patterns, norms and gains held"
    return f"What brings {result.target.label} from the exchanged prompt to yours"
