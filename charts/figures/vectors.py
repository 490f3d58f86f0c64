"""The charts of directions and probes."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.bars import bars
from charts.confusion import confusion
from charts.cosine_grid import cosine_grid
from charts.figures.table import table
from charts.placebo import placebo
from charts.probe_layers import probe_layers
from mi_core.models.tokens import visible


def probing(
    result: Any, *, title: str = "How many texts a probe tells right, layer by layer", layer: int | None = None
) -> alt.LayerChart:
    """The accuracy at every layer, beside its controls; a click selects a layer."""
    texts, classes = len(result.held.texts), len(result.held.classes)
    c = f"C = {result.among[0]:g}" if len(result.among) == 1 else "C chosen within the texts learned from"
    return probe_layers(
        table(result, "layers"),
        title=title,
        subtitle=f"{texts} texts, {classes} classes, {c}. Bars: 95 % intervals.",
        rules={"the words alone": result.words_alone, "most frequent class": result.majority},
        layer=result.best if layer is None else layer,
    )


def probe_confusion(result: Any, *, layer: int) -> alt.LayerChart:
    """Which class one layer's probe takes for which: from `probing`."""
    cells = table(result, "confusion")
    return confusion(
        pd.DataFrame(cells[cells["layer"] == layer]),
        title="Which class is taken for which",
        subtitle="Rows: what a text is. Columns: what it is taken for.",
    )


def probe_use(result: Any, *, title: str | None = None, measure: str = "kl") -> alt.LayerChart:
    """How far the probe's direction and random ones move the prediction, by the column `measure`."""
    own = f"The direction to “{result.label}” and {result.kl.shape[1] - 1} random directions that change as much"
    unit = {
        "kl": "how far the next token's odds move: KL (bits)",
        "change": f"change of the {result.target.quantity} of {result.target.label} (logits)",
        "side_kl": "how far other texts' odds move: KL (bits)",
    }[measure]
    return placebo(table(result, "trials"), title=title or own, value=measure, unit=unit)


def analogy(result: Any, *, title: str | None = None, query: str = "arithmetic") -> alt.LayerChart:
    """The tokens nearest to a − b + c, or to ``c alone``; the inputs are named as such."""
    rows = table(result, "nearest")
    rows = rows[rows["query"] == query]
    names = [
        f"{token} ({which})" if which else token for token, which in zip(rows["token"], rows["input"], strict=True)
    ]
    what = result.label if query == "arithmetic" else f"“{visible(result.words[2])}” alone"
    return bars(rows.assign(name=names), title=title or f"Nearest to {what}", label="name", value="cosine", most=12)


def directions(result: Any, *, title: str = "How alike the directions are") -> alt.LayerChart:
    """The cosine of each direction with each."""
    return cosine_grid(table(result, "cosines"), title=title, subtitle=f"By chance about ±{result.chance:.2f}.")


def nearest_tokens(result: Any, *, name: str | None = None) -> alt.LayerChart:
    """The tokens nearest to one direction, the first if none is named: from `directions`."""
    rows, name = table(result, "nearest"), name or result.names[0]
    return bars(rows.loc[rows["direction"] == name], title=f"Tokens nearest to {name}", label="token", value="cosine")
