"""What each feature adds where another is read: a matrix, centred at zero."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells

NUMBERED = 12  # features up to which each cell holds its number
LARGE, SIDE = 34, 420  # pixels of a cell with a number, and of a side without


def interference(frame: pd.DataFrame, *, title: str, subtitle: str = "") -> alt.LayerChart:
    """Features run downwards and to the right; on the diagonal is what is kept of each.

    Args:
        frame: One row per pair: first, second (numbers of features) and interference.
        title: The finding.
        subtitle: A line below it.
    """
    names = [str(number) for number in dict.fromkeys(frame["first"])]
    drawn = frame.assign(
        first=frame["first"].astype(str),
        second=frame["second"].astype(str),
        _number=theme.written(frame.loc[:, "interference"], "interference"),
    )
    side = max(SIDE, LARGE * len(names)) if len(names) <= NUMBERED else SIDE
    domain, shown = alt.Scale(domain=names, padding=0), theme.readable(names, side // len(names))
    axis = {"labelPadding": 4, "values": shown, "titleFontWeight": "normal"}
    base = alt.Chart(drawn).encode(
        x=alt.X("second:N", scale=domain, axis=theme.band_axis("read at feature", orient="top", labelAngle=0, **axis)),
        y=alt.Y("first:N", scale=domain, axis=theme.band_axis("feature that is present", **axis)),
        tooltip=theme.tooltips(drawn),
    )
    layers = [cells(base, drawn.loc[:, "interference"], "interference", name="pair", fields=["first", "second"])]
    if len(names) <= NUMBERED:
        layers.append(base.mark_text(fontSize=theme.SMALL, color=theme.ink("interference")).encode(text="_number:N"))
    return alt.LayerChart(layer=layers).properties(
        height=side,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, drawn, value="interference", label="second", kind="Grid of pairs"),
    )
