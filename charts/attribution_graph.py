"""An answer as a graph: tokens below, the answer above, and between them by layer and position what carries it."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme
from charts.flow import across, amount, curves, flow, sign_legend, up

ROW, LEAST_HEIGHT, MOST_HEIGHT = 74, 300, 1000  # pixels
ROOM = 15  # pixels that a slanted name takes
APART = 0.6  # of a node's room: between columns
LETTERS = 11  # of a label
SHORT = 12  # letters of a token
SHAPES = {
    "token": "triangle-up", "answer": "triangle-up", "feature": "circle", "head": "circle", "mlp": "square",
    "neuron": "diamond", "group": "square", "error": "cross", "others": "cross", "rest": "cross", "start": "cross",
    "biases": "triangle-down",
}  # fmt: skip
NAMES = {
    "token": "token, answer", "answer": "token, answer", "feature": "feature", "head": "head", "mlp": "MLP",
    "neuron": "neuron", "group": "group", "error": "unexplained", "others": "all others", "rest": "all others",
    "start": "start token", "biases": "biases",
}  # fmt: skip
UNTOLD = ("error", "others", "rest", "start")  # drawn as outlines: nobody knows what they are


def attribution_graph(
    nodes: pd.DataFrame, edges: pd.DataFrame, *, title: str, subtitle: str = "", picked: str = "", answer: str = ""
) -> alt.LayerChart:
    """Nodes by layer (up) and position (across); edges from below to above.

    Width is the size of an edge's effect, colour and dashes its sign. A click on a node is the selection ``node`` with
    the field ``component``, one on an edge ``edge`` with ``from`` and ``to``.

    Args:
        nodes: One row per node: `component`, `kind`, `level`, `pos`, `token`, `label`, `score`, `influence`, `effect`.
        edges: One row per edge that is drawn: `from`, `to`, `score`, `effect`.
        title: The finding.
        subtitle: A line below the title.
        picked: The node or the edge (`L2F306@5 → L3F480@5`) that is marked.
        answer: What stands at the answer.
    """
    placed, rows = _placed(nodes, answer)
    told = theme.tooltips(pd.DataFrame(edges, columns=["from", "to", "score", "effect"]))
    x, y = across(1.04), up(rows, 0.5)
    return alt.LayerChart(
        layer=[*flow(curves(edges, placed), picked, x, y, told), *_nodes(placed, picked, x, y)]
    ).properties(
        height=int(np.clip(ROW * len(rows), LEAST_HEIGHT, MOST_HEIGHT)),
        title=theme.titled(title, subtitle, width=theme.PHONE),
        autosize=theme.FILLING,
        description=theme.alt_text(title, placed, value="amount", label="component", unit="logits", kind="Graph"),
    )


def _placed(nodes: pd.DataFrame, answer: str) -> tuple[pd.DataFrame, list[str]]:
    """Every node with its row and its place in it; and the rows' names."""
    every = nodes.assign(kind=nodes["kind"].replace({"bias": "biases"})).reset_index(drop=True)
    every["amount"] = amount(every)
    upper = every["kind"].isin(["mlp", "neuron"]) | every["component"].str.contains("other neurons|rest of MLP")
    last = every["kind"] == "answer"
    every["row"] = np.where(last, 10**6, 2 * every["level"] + upper)
    levels, every["y"] = np.unique(every["row"], return_inverse=True)
    every.loc[every["pos"] < 0, "pos"] = 0
    every = every.sort_values(by=["y", "pos", "influence"], ascending=[True, True, False], kind="stable")
    every["rank"] = every.groupby(["y", "pos"]).cumcount()
    count = every.groupby(["y", "pos"])["rank"].transform("size")
    columns, at = np.unique(every["pos"].to_numpy(), return_inverse=True)
    room = np.zeros(len(columns))
    np.maximum.at(room, at, count.to_numpy())
    start = np.cumsum(room) - room + APART * np.arange(len(room))
    whole = float(room.sum() + APART * (len(room) - 1))
    every["x"] = (start[at] + (every["rank"] + 0.5) * room[at] / count) / whole
    every["said"] = [_said(*one, answer) for one in zip(every["kind"], every["component"], every["token"], strict=True)]
    every["sign"] = theme.signs(pd.Series(every["amount"].fillna(0.0)))
    every["what"] = [NAMES[kind] for kind in every["kind"]]
    every["untold"] = every["kind"].isin(UNTOLD)
    every["pixels"] = whole * ROOM * (every["rank"] > 0)
    return every.reset_index(drop=True), [_row(pd.DataFrame(every[every["y"] == i])) for i in range(len(levels))]


def _said(kind: str, name: str, token: str, answer: str) -> str:
    if kind == "answer":
        return answer
    if kind == "token":
        return _cut(token, SHORT)
    short = name.partition("@")[0]
    if kind in ("feature", "head", "neuron"):
        short = short[1:].lstrip("0123456789")
    return _cut({"error": "error", "others": "others", "rest": "others", "start": "start"}.get(kind, short), LETTERS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _row(row: pd.DataFrame) -> str:
    kinds, level = set(row["kind"]), int(row["level"].iloc[0])
    if kinds & {"token", "answer", "biases"}:
        return ""
    if kinds & {"mlp", "neuron"}:
        return f"layer {level} {'MLP' if 'mlp' in kinds else 'neurons'}"
    if "head" in kinds:
        return f"layer {level} heads"
    if not kinds & {"feature", "error", "start", "group"} and "L" in row["component"].iloc[0][:1]:
        return f"layer {level}"
    return "embeddings" if level == 0 else f"after layer {level - 1}"


def _nodes(placed: pd.DataFrame, picked: str, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    chosen = alt.selection_point(name="node", fields=["component"], on="click", clear="dblclick")
    base = alt.Chart(placed.assign(_marked=placed["component"] == picked)).encode(x=x, y=y)
    kinds = list(dict.fromkeys(NAMES[kind] for kind in SHAPES if kind in set(placed["kind"])))
    looks = {NAMES[kind]: shape for kind, shape in SHAPES.items()}
    shape = alt.Shape(
        "what:N",
        scale=alt.Scale(domain=kinds, range=[looks[name] for name in kinds]),
        legend=alt.Legend(
            title=None, orient="bottom", direction="horizontal", symbolFillColor=theme.words(), columns=4,
            symbolStrokeWidth=0,
        ),
    )  # fmt: skip
    told = ["component", "kind", "token", "label", "activation", "score", "effect", "influence"]
    dots = base.mark_point(filled=True, cursor="pointer").encode(
        shape=shape,
        color=alt.Color("sign:N", scale=theme.SIGNS, legend=sign_legend()),
        size=alt.Size("influence:Q", scale=alt.Scale(domain=[0, 1], range=[90, 460]), legend=None),
        fillOpacity=alt.when("datum.untold").then(alt.value(0.25)).otherwise(alt.value(1)),
        stroke=alt.when("datum._marked").then(alt.value(theme.MARKED)).otherwise("sign:N", scale=theme.SIGNS),
        strokeWidth=alt.when("datum._marked").then(alt.value(4)).otherwise(alt.value(1.5)),
        strokeOpacity=alt.value(1),
        tooltip=theme.tooltips(pd.DataFrame(placed, columns=told)),
    )
    level = {"baseline": "top", "fontSize": theme.SMALL, "color": theme.words(), "dy": 12}
    slanted = {**level, "angle": 315, "align": "right", "baseline": "middle", "dx": -6, "dy": 8}
    is_end = "(datum.kind == 'token' || datum.kind == 'biases')"
    ends, first, rest, top = (
        base.transform_filter(f"{which} && datum.kind != 'answer'" if which else "datum.kind == 'answer'")
        for which in (is_end, f"!{is_end} && datum.rank == 0", f"!{is_end} && datum.rank > 0", "")
    )
    shown = alt.ExprRef(f"width >= {float(placed['pixels'].to_numpy().max()):g} ? 1 : 0")
    return [
        dots.add_params(chosen),
        ends.mark_text(**level).encode(text="said:N"),
        first.mark_text(**slanted).encode(text="said:N"),
        top.mark_text(**level | {"dy": -14, "baseline": "bottom", "fontWeight": 600}).encode(text="said:N"),
        rest.mark_text(**slanted, opacity=shown).encode(text="said:N"),
    ]
