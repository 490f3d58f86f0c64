"""The charts of circuits: the parts that do a task by themselves."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.circuit_graph import circuit_graph
from charts.figures.table import table
from charts.size_curve import size_curve

EDGES_SHOWN = 40
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
