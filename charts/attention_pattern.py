"""Where one attention head looks: the token that reads against the token that is read."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells, token_columns

NUMBERS_UP_TO, NUMBERS_FROM = 20, 26  # tokens, and pixels of a column that holds a number
NARROW, WIDE = 18, 44  # pixels of a column
ROOM, LOWEST, HIGHEST = 440, 18, 32  # pixels of all rows, and of one


def attention_pattern(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    pos: int | None = None,
    value: str = "weight",
    unit: str | None = None,
) -> alt.LayerChart:
    """Rows are the tokens that read, from the top; columns the tokens that are read; a head sees no later token.

    A click selects a row: selection ``query`` with field ``query_pos``.

    Args:
        frame: One head (or an average): query_pos, query_token, key_pos, key_token (visible text) and `value`.
        title: The finding.
        subtitle: A line below it.
        pos: Query position whose row is outlined.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own. A unit that begins with "share" ends at 1.
    """
    grid = frame[frame["key_pos"] <= frame["query_pos"]]
    grid = grid.assign(
        _query=theme.token_labels(grid["query_pos"], grid["query_token"]),
        _key=theme.token_labels(grid["key_pos"], grid["key_token"]),
    )
    labels = list(grid.sort_values("query_pos")["_query"].unique())
    step = theme.step(len(labels), room=620, smallest=NARROW, largest=WIDE)
    row = theme.step(len(labels), room=ROOM, smallest=LOWEST, largest=HIGHEST)
    base = alt.Chart(grid).encode(
        x=token_columns("_key", labels, min(step, NARROW), "token read (key)"),
        y=_queries(labels, row),
        tooltip=theme.tooltips(grid),
    )
    share = theme.axis_title(value, unit).startswith("share")
    layers = [cells(base, grid[value], value, name="query", fields=["query_pos"], unit=unit, share=share)]
    if len(labels) <= NUMBERS_UP_TO:
        layers.append(_numbers(base, value))
    if pos is not None:
        layers.append(base.transform_filter(alt.datum.query_pos == pos).mark_rect(**theme.OUTLINE))
    size = step * len(labels)
    return alt.LayerChart(layer=layers).properties(
        width=size,
        height=row * len(labels),
        title=theme.titled(title, subtitle, width=size),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            labels,
            least=NARROW,
            most=WIDE,
            beside=theme.beside(labels),
            at=theme.largest(grid.loc[lambda rows: rows["query_pos"] == pos], value, "_key"),
        ),
        description=theme.alt_text(title, grid, value=value, label="_key", unit=unit, kind="Heat map"),
    )


def _queries(labels: list[str], step: int) -> alt.Y:
    axis = theme.band_axis(
        "token that reads (query)", labelLimit=200, labelPadding=6, values=theme.readable(labels, step)
    )
    return alt.Y("_query:O", axis=axis, scale=alt.Scale(domain=labels, padding=0))


def _numbers(base: alt.Chart, value: str) -> alt.Chart:
    """Zeros would only be noise: a cell without a number holds less than 0.005."""
    return (
        base.transform_filter(alt.datum[value] >= 0.005)
        .mark_text(
            fontSize=theme.SMALL, color=theme.ink(value), opacity=theme.wide(NUMBERS_FROM, "1", "0"), cursor="pointer"
        )
        .encode(text=alt.Text(f"{value}:Q", format=".2f"))
    )
