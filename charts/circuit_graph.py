"""A circuit as a picture: its parts by layer, from the tokens below to the answer above, and what they pass on."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme
from charts.flow import across, amount, curves, flow, sign_legend, up

MOST_NODES = 60
TOKENS, LOGITS = "tokens", "logits"
ROW, LEAST_HEIGHT, MOST_HEIGHT = 58, 260, 900  # pixels
TOP = 10**6  # a layer above all others
SHAPES = {"head": "circle", "mlp": "square", "neuron": "diamond", "end": "triangle-up"}
PLURAL = {"head": "heads", "mlp": "MLP", "neuron": "neurons"}
NAMES = {"head": "head", "mlp": "MLP", "neuron": "neuron", "end": "tokens, answer"}


def circuit_graph(
    nodes: pd.DataFrame, edges: pd.DataFrame, *, title: str, subtitle: str = "", picked: str = ""
) -> alt.LayerChart:
    """Nodes in rows of their layer, heads below the MLP that reads them; edges from below to above.

    Width is the size of an edge's effect, colour and dashes its sign. A click on a node is the selection ``node`` with
    the field ``component``, one on an edge ``edge`` with ``from``, ``to`` and ``via``.

    Args:
        nodes: One row per node of the circuit, the strongest first: `component`, `kind`, `layer`, `score`, `effect`.
        edges: One row per edge that is drawn: `from`, `to`, `via`, `score`, `effect`.
        title: The finding.
        subtitle: A line below the title.
        picked: The node or the edge (`L0H3 → L1H2 q`) that is marked.
    """
    placed, rows = _placed(nodes.head(MOST_NODES))
    told = theme.tooltips(pd.DataFrame(edges, columns=["from", "to", "via", "score", "effect"]))
    x, y = across(1.02), up(rows, 0.4)
    lines = flow(curves(edges, placed), picked, x, y, told)
    left_out = len(nodes) - min(len(nodes), MOST_NODES)
    said = [subtitle, f"The {MOST_NODES} strongest nodes are drawn; {left_out} more are in the table." * (left_out > 0)]
    drawn = [*lines, *_nodes(placed, picked, x, y)]
    return alt.LayerChart(layer=drawn).properties(
        height=int(np.clip(ROW * len(rows), LEAST_HEIGHT, MOST_HEIGHT)),
        title=theme.titled(title, " ".join(filter(None, said)), width=theme.PHONE),
        autosize=theme.FILLING,
        description=theme.alt_text(title, placed, value="amount", label="component", unit="logits", kind="Graph"),
    )


def _placed(nodes: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Every node with its row and its place in it, the tokens and the answer among them; and the rows' names."""
    columns = ["component", "kind", "layer", "score", "effect"]
    ends = pd.DataFrame(
        {"component": [TOKENS, LOGITS], "kind": "end", "layer": [-1, TOP], "score": np.nan, "effect": np.nan}
    )
    every = pd.concat([pd.DataFrame(nodes[columns]), ends], ignore_index=True)
    every["amount"] = amount(every)
    levels, every["y"] = np.unique(2 * every["layer"] + every["kind"].isin(["mlp", "neuron"]), return_inverse=True)
    every = every.sort_values(by=["y", "component"], kind="stable").reset_index(drop=True)
    within = every.groupby("y").cumcount()
    count = every.groupby("y")["component"].transform("size")
    shift = np.where(every["kind"] == "end", 0.0, 0.16 * np.where(every["y"] % 2, 1, -1) / count)
    every["x"] = (within + 0.5) / count + shift
    every["label"] = every["component"].replace({LOGITS: "answer"})
    every["sign"] = theme.signs(pd.Series(every["amount"].fillna(0.0)))
    every["what"] = [NAMES[kind] for kind in every["kind"]]
    return every, [_row(each, every) for each in range(len(levels))]


def _row(y: int, every: pd.DataFrame) -> str:
    kinds = every["kind"][every["y"] == y].tolist()
    layer = every["layer"][every["y"] == y].tolist()[0]
    if "end" in kinds:
        return ""
    rows = set(every["y"][every["layer"] == layer].tolist())
    parts = ", ".join(PLURAL[kind] for kind in dict.fromkeys(kinds)) if len(rows) > 1 else ""
    return f"layer {layer} {parts}".strip()


def _nodes(placed: pd.DataFrame, picked: str, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    chosen = alt.selection_point(name="node", fields=["component"], on="click", clear="dblclick")
    base = alt.Chart(placed.assign(_marked=placed["component"] == picked)).encode(x=x, y=y)
    kinds = [kind for kind in SHAPES if kind in set(placed["kind"])]
    shape = alt.Shape(
        "what:N",
        scale=alt.Scale(domain=[NAMES[kind] for kind in kinds], range=[SHAPES[kind] for kind in kinds]),
        # below, because beside that of the signs it would not fit a phone
        legend=alt.Legend(title=None, orient="bottom", direction="horizontal", symbolFillColor=theme.words()),
    )
    colour = alt.Color("sign:N", scale=theme.SIGNS, legend=sign_legend())
    dots = base.mark_point(size=240, filled=True, opacity=1, cursor="pointer").encode(
        shape=shape,
        color=colour,
        stroke=alt.when("datum._marked").then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
        strokeWidth=alt.value(4),
        tooltip=theme.tooltips(pd.DataFrame(placed, columns=["component", "kind", "score", "effect"])),
    )
    text = base.mark_text(dx=11, align="left", fontSize=theme.LABEL, fontWeight=600, color=theme.words()).encode(
        text="label:N"
    )
    return [dots.add_params(chosen), text]
