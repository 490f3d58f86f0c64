"""Cosines of a set of directions, each with each, as a grid."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells

ROW, NARROW, WIDE = 34, 44, 110  # pixels of a row, and of a column


def cosine_grid(frame: pd.DataFrame, *, title: str, subtitle: str = "") -> alt.LayerChart:
    """Directions run downwards and to the right, in the same order; colours are centred at zero.

    A click selects a cell: selection ``pair`` with fields ``first`` and ``second``.

    Args:
        frame: One row per pair: first, second (names) and cosine.
        title: The finding.
        subtitle: A line below it.
    """
    names = list(dict.fromkeys(frame["first"]))
    grid = frame.assign(_number=theme.written(frame.loc[:, "cosine"], "cosine"))
    axis = theme.band_axis(None, labelPadding=6, labelLimit=160)
    leaning = theme.band_axis(None, labelPadding=6, labelLimit=160, labelAngle=-40, orient="top", labelAlign="left")
    base = alt.Chart(grid).encode(
        x=alt.X("second:N", axis=leaning, scale=alt.Scale(domain=names, padding=0)),
        y=alt.Y("first:N", axis=axis, scale=alt.Scale(domain=names, padding=0)),
        tooltip=theme.tooltips(grid),
    )
    numbers = base.mark_text(fontSize=theme.SMALL, color=theme.ink("cosine"), cursor="pointer").encode(text="_number:N")
    step = theme.step(len(names), room=690, smallest=NARROW, largest=WIDE)
    width = step * len(names)
    others = grid.loc[grid["first"] != grid["second"]]
    return alt.LayerChart(
        layer=[cells(base, grid.loc[:, "cosine"], "cosine", name="pair", fields=["first", "second"]), numbers]
    ).properties(
        width=width,
        height=ROW * len(names),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            names,
            least=NARROW,
            most=WIDE,
            beside=theme.beside(names, 160),
            at=theme.largest(others, "cosine", "second"),
        ),
        description=theme.alt_text(title, others, value="cosine", label="second", kind="Grid of pairs"),
    )
