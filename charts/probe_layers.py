"""How well probes do at each layer, beside everything that they have to beat."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.lines import across

# column: what it is called, its place among the palette's colours, dashes, width, shape
SERIES = {
    "accuracy": ("groups held out", 0, [1, 0], 3, "circle"),
    "held_out_words": ("words held out", 2, [1, 0], 2, "square"),
    "random_split": ("split at random (flatters)", 7, [1, 0], 1, "stroke"),
    "untrained": ("random weights", 1, [6, 3], 1.5, "triangle-up"),
    "control": ("control task", 3, [2, 3], 1.5, "diamond"),
    "shuffled_95": ("shuffled labels, 95th percentile", 5, [8, 3, 2, 3], 1.5, "cross"),
}


def probe_layers(
    frame: pd.DataFrame, *, title: str, rules: dict[str, float], subtitle: str = "", layer: int | None = None
) -> alt.LayerChart:
    """A line per way of testing, the one that counts thick and with its 95 % interval; dashes and shapes tell them too.

    A click selects a layer: selection ``layer`` with the field ``layer``.

    Args:
        frame: One row per layer: `layer`, `low`, `high` and the columns of `SERIES`; those without numbers are left out.
        title: The finding.
        rules: Shares that are the same at every layer, by what they are called.
        subtitle: A line below the title.
        layer: The layer to mark.
    """
    shown = {column: style for column, style in SERIES.items() if frame[column].notna().any()}
    points = pd.concat(
        [
            frame[["layer", "low", "high"]].assign(
                share=frame[column], series=style[0], _counts=column == "accuracy", _x=frame["layer"].astype(float)
            )
            for column, style in shown.items()
        ]
    ).dropna(subset=["share"])
    points.loc[~points["_counts"], ["low", "high"]] = None
    names = [style[0] for style in shown.values()]
    legend = alt.Legend(title=None, orient="top", columns=3, labelLimit=240, symbolFillColor="transparent")
    looks = {
        "color": ("range", [alt.Undefined]),
    }
    del looks
    base = alt.Chart(points).encode(x=across(points["_x"]), y=_up())
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range="category"), legend=legend)
    dash = alt.StrokeDash(
        "series:N", scale=alt.Scale(domain=names, range=[style[2] for style in shown.values()]), legend=legend
    )
    width = alt.StrokeWidth(
        "series:N", scale=alt.Scale(domain=names, range=[style[3] for style in shown.values()]), legend=None
    )
    counts = base.transform_filter("datum._counts")
    interval = counts.mark_rule(strokeWidth=1.5).encode(y="low:Q", y2="high:Q", color=colour)
    line = base.mark_line().encode(color=colour, strokeDash=dash, strokeWidth=width)
    chosen = alt.selection_point(name="layer", fields=["layer"], on="click", clear="dblclick")
    dots = (
        counts.mark_point(size=90, filled=True, opacity=1, cursor="pointer")
        .encode(
            color=colour,
            stroke=alt.when(alt.datum.layer == layer).then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
            strokeWidth=alt.value(3),
            tooltip=theme.tooltips(frame),
        )
        .add_params(chosen)
    )
    return alt.layer(*_rules(rules), interval, line, dots)
