"""One number per attention head, as a grid of layers and heads."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

NUMBERS_UP_TO = 150  # cells


def head_grid(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    value: str = "contribution",
    unit: str | None = None,
    mark: str | None = None,
    columns: str = "head",
) -> alt.LayerChart:
    """Layers run downwards, heads to the right; the colours are centred at zero. Up to 150 cells hold their number.

    A click selects a head: selection ``head`` with fields ``layer`` and ``head``.

    Args:
        frame: One row per head: layer, head and `value`; rows without a head are left out.
        title: The finding.
        subtitle: A line below it.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own.
        mark: Column of truth values; true cells bear a “≠”.
        columns: What the columns are called.
    """
    cells = frame.dropna(subset=["layer", "head"])
    cells = cells.assign(layer=cells["layer"].astype(int), head=cells["head"].astype(int))
    cells = cells.assign(_name=[f"L{i}H{h}" for i, h in zip(cells["layer"], cells["head"], strict=True)])
    cells = cells.assign(_number=theme.written(cells[value], value))
    heads, layers = sorted(cells["head"].unique()), sorted(cells["layer"].unique())
    numbers = len(cells) <= NUMBERS_UP_TO
    step = theme.step(len(heads), room=720, smallest=44 if numbers else 22, largest=84)
    x, y = _axis(alt.X, "head", heads, columns), _axis(alt.Y, "layer", layers)
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=theme.tooltips(cells))
    width = step * len(heads)
    layers_drawn = [_cells(base, cells, value, unit), *([_numbers(base, value)] if numbers else [])]
    layers_drawn += [theme.flags(base, mark, value, step)] if mark is not None and cells[mark].any() else []
    return alt.layer(*layers_drawn).properties(
        width=width,
        height=(30 if numbers else 20) * len(layers),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        description=theme.alt_text(title, cells, value=value, label="_name", unit=unit, kind="Grid of heads"),
    )


def _axis(channel: type, field: str, values: list[int], title: str | None = None):
    axis = theme.band_axis(title or field, labelAngle=0, labelPadding=6)
    return channel(f"{field}:O", axis=axis, scale=alt.Scale(domain=[int(v) for v in values], padding=0))


def _cells(base: alt.Chart, cells: pd.DataFrame, value: str, unit: str | None) -> alt.Chart:
    chosen = alt.selection_point(name="head", fields=["layer", "head"], on="click", clear="dblclick")
    scale = alt.Scale(domain=theme.symmetric(cells[value]), range="diverging")
    legend = theme.gradient(theme.axis_title(value, unit), theme.tick_format(value))
    return (
        base.mark_rect(cursor="pointer")
        .encode(
            color=alt.Color(f"{value}:Q", scale=scale, legend=legend),
            stroke=alt.when(chosen, empty=False).then(alt.value(theme.GREY)).otherwise(alt.value(None)),
            strokeWidth=alt.value(3),
        )
        .add_params(chosen)
    )


def _numbers(base: alt.Chart, value: str) -> alt.Chart:
    text = base.mark_text(fontSize=theme.SMALL, color=theme.ink(value), cursor="pointer")
    return text.encode(text="_number:N")
