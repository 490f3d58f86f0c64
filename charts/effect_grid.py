"""One number per layer and token, as a grid: where an intervention matters."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells, token_columns

ROOM = 690  # pixels for the cells of a page
ROW = 28
NARROW, WIDE = 18, 84  # of a column
NUMBERS_FROM = 40  # pixels per column


def effect_grid(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    value: str = "restored",
    unit: str | None = None,
    mark: str | None = None,
    most: int = 24,
) -> alt.LayerChart:
    """Layers run downwards, tokens to the right; colours are centred at zero where numbers can be negative.

    Wide columns hold their number.
    With a head in every row of the frame, rows are heads, and only those of the largest numbers are drawn.
    A click selects a cell: selection ``cell`` with fields ``layer`` and ``pos``, and ``head`` where there are heads.

    Args:
        frame: One row per cell: layer, pos, token (visible text) and `value`; head, where rows are heads.
        title: The finding.
        subtitle: A line below it.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own.
        mark: Column of truth values; true cells bear a “≠”.
        most: How many heads to draw, where rows are heads.
    """
    heads = "head" in frame and bool(frame["head"].notna().all())
    grid = _strongest(frame, value, most) if heads else frame.assign(_row=frame["layer"].astype(int))
    grid = grid.assign(_column=theme.token_labels(grid["pos"], grid["token"]))
    grid = grid.assign(_number=theme.written(grid[value], value))
    columns = list(grid.sort_values("pos")["_column"].unique())
    rows = list(dict.fromkeys(grid.sort_values(["layer", "head"] if heads else ["layer"])["_row"]))
    shown = len(frame[["layer", "head"]].drop_duplicates()) if heads else 0
    count = f"The {len(rows)} strongest of {shown} heads." if shown > len(rows) else ""
    step = theme.step(len(columns), room=ROOM, smallest=NARROW, largest=WIDE)
    base = alt.Chart(grid).encode(
        x=token_columns("_column", columns, min(step, NARROW)),
        y=_rows(rows, "head" if heads else "layer"),
        tooltip=theme.tooltips(grid),
    )
    numbers = base.mark_text(
        fontSize=theme.SMALL, color=theme.ink(value), opacity=theme.wide(NUMBERS_FROM, "1", "0"), cursor="pointer"
    ).encode(text="_number:N")
    width = step * len(columns)
    fields = ["layer", "head", "pos"] if heads else ["layer", "pos"]
    rects = cells(base, grid[value], value, name="cell", fields=fields, unit=unit)
    drawn = [rects, *([numbers] if step >= NUMBERS_FROM else [])]
    drawn += [theme.minus(base, value, NUMBERS_FROM)] if bool((grid[value] < 0).any()) else []
    drawn += [theme.flags(base, mark, value)] if mark is not None and bool(grid[mark].any()) else []
    return alt.LayerChart(layer=drawn).properties(
        width=width,
        height=ROW * len(rows),
        title=theme.titled(title, " ".join(filter(None, (subtitle, count))), width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            columns,
            least=NARROW,
            most=WIDE,
            beside=theme.beside(rows),
            at=theme.largest(grid, value, "_column"),
            field="_column",
        ),
        description=theme.alt_text(
            title, grid, value=value, label="_column", unit=unit, kind="Grid of layers and tokens"
        ),
    )


def _strongest(frame: pd.DataFrame, value: str, most: int) -> pd.DataFrame:
    """The rows of the heads with the largest numbers, whatever their sign."""
    names = [f"L{layer}H{head}" for layer, head in zip(frame["layer"], frame["head"], strict=True)]
    largest = frame[value].abs().groupby(names).max().nlargest(most).index
    return frame.assign(_row=names, head=frame["head"].astype(int)).loc[lambda cells: cells["_row"].isin(largest)]


def _rows(rows: list, title: str) -> alt.Y:
    axis = theme.band_axis(title, labelPadding=6)
    return alt.Y("_row:O", axis=axis, scale=alt.Scale(domain=rows, padding=0))
