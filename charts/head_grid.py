"""One number per attention head, as a grid of layers and heads."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells

NUMBERS_UP_TO = 150  # cells
NUMBERS_FROM, WIDE, NARROW = 40, 120, 18  # pixels of a column: with numbers, at most, and without


def head_grid(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    value: str = "contribution",
    unit: str | None = None,
    mark: str | None = None,
    outline: str | None = None,
    columns: str = "head",
) -> alt.LayerChart:
    """Layers run downwards, heads to the right; the colours are centred at zero where numbers can be
    negative. Up to 150 cells hold their number.

    A click selects a head: selection ``head`` with fields ``layer`` and ``head``.

    Args:
        frame: One row per head: layer, head and `value`; rows without a head are left out.
        title: The finding.
        subtitle: A line below it.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own.
        mark: Column of truth values; true cells bear a “≠”.
        outline: The same; true cells have a dashed outline, one that is clicked a solid one.
        columns: What the columns are called.
    """
    grid = frame.dropna(subset=["layer", "head"])
    grid = grid.assign(layer=grid["layer"].astype(int), head=grid["head"].astype(int))
    grid = grid.assign(_name=[f"L{i}H{h}" for i, h in zip(grid["layer"], grid["head"], strict=True)])
    grid = grid.assign(_number=theme.written(grid[value], value))
    heads, layers = sorted(grid["head"].unique()), sorted(grid["layer"].unique())
    numbers = len(grid) <= NUMBERS_UP_TO
    least = NUMBERS_FROM if numbers else NARROW
    step = theme.step(len(heads), room=720, smallest=least, largest=84)
    x, y = _axis(alt.X, "head", heads, columns), _axis(alt.Y, "layer", layers)
    base = alt.Chart(grid).encode(x=x, y=y, tooltip=theme.tooltips(grid))
    width = step * len(heads)
    rects = cells(base, grid[value], value, name="head", fields=["layer", "head"], unit=unit)
    layers_drawn = [rects, *([_numbers(base, value)] if numbers else [])]
    layers_drawn += [theme.minus(base, value)] if not numbers and bool((grid[value] < 0).any()) else []
    layers_drawn += [theme.flags(base, mark, value)] if mark is not None and bool(grid[mark].any()) else []
    if outline is not None and any(grid[outline]):
        chosen = pd.DataFrame(grid.loc[grid[outline].astype(bool)])
        framed = alt.Chart(chosen).mark_rect(
            fill=None, stroke=theme.MARKED, strokeDash=[4, 3], strokeWidth=2, cursor="pointer"
        )
        layers_drawn.append(framed.encode(x=x, y=y, tooltip=theme.tooltips(grid)))
    return alt.LayerChart(layer=layers_drawn).properties(
        width=width,
        height=(30 if numbers else 20) * len(layers),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(heads, least=least, most=WIDE, beside=60, at=theme.largest(grid, value, "head")),
        description=theme.alt_text(title, grid, value=value, label="_name", unit=unit, kind="Grid of heads"),
    )


def _axis(channel: type, field: str, values: list[int], title: str | None = None):
    axis = theme.band_axis(title or field, labelAngle=0, labelPadding=6)
    return channel(f"{field}:O", axis=axis, scale=alt.Scale(domain=[int(v) for v in values], padding=0))


def _numbers(base: alt.Chart, value: str) -> alt.Chart:
    text = base.mark_text(fontSize=theme.SMALL, color=theme.ink(value), cursor="pointer")
    return text.encode(text="_number:N")
