"""The charts of what pushes an answer: parts of the model, and words of the prompt."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.bars import bars
from charts.figures.table import table
from charts.head_grid import head_grid
from charts.method_rows import method_rows
from charts.token_strip import token_strip


def attribution(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each part adds to the answer."""
    return bars(
        table(result, "contributions"), title=title or f"What each part adds to {result.target.label}",
        label="component", value="contribution", unit=result.units,
    )  # fmt: skip


def attribution_by_head(result: Any) -> alt.LayerChart:
    """What each head adds to the answer."""
    parts = table(result, "contributions")
    title = f"What each head adds to {result.target.label}"
    return head_grid(pd.DataFrame(parts[parts["kind"] == "head"]), title=title, unit=result.units)


def attribution_by_layer(result: Any) -> alt.LayerChart:
    """What attention and MLP of each layer add, first layer to last."""
    layers = table(result, "layers")
    layers = layers.assign(name=layers["kind"] + " " + layers["layer"].astype(str))
    title = f"What each layer adds to {result.target.label}"
    return bars(layers, title=title, label="name", value="contribution", unit=result.units, sort=False)


def attribution_sources(result: Any) -> alt.LayerChart:
    """Which tokens the chosen head, or layer, or all heads took it from."""
    layer, head = result.layer, result.head
    whose = "all heads together" if layer is None else f"layer {layer}" if head is None else f"L{layer}H{head}"
    title = f"Which tokens {whose} took it from"
    return token_strip(table(result, "sources"), title=title, value="contribution", unit=result.units, pos=result.pos)


def input_attribution(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """What each method gives each part of the prompt, and how its row fares; a click selects a part."""
    return method_rows(
        table(result, "scores"), table(result, "grades"), result.labels,
        title=title or f"What each part of the prompt does for {result.answer.label}",
        subtitle=f"Scores in {result.answer.unit}, but for gradient norm and rollout. Σ: the row's sum as a share of "
        "all that is shared out. lost: of that, without the parts the row puts first. τ: agreement with leave-one-out.",
    )  # fmt: skip
