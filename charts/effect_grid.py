"""One number per layer and token, as a grid: where an intervention matters."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROOM = 690  # pixels for the cells of a page
ROW = 28
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
    """Layers run downwards, tokens to the right; the colours are centred at zero. Wide columns hold their number.

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
    cells = _strongest(frame, value, most) if heads else frame.assign(_row=frame["layer"].astype(int))
    cells = cells.assign(_column=theme.token_labels(cells["pos"], cells["token"]))
    cells = cells.assign(_number=theme.written(cells[value], value))
    columns = list(cells.sort_values("pos")["_column"].unique())
    rows = list(dict.fromkeys(cells.sort_values(["layer", "head"] if heads else ["layer"])["_row"]))
    shown = len(frame[["layer", "head"]].drop_duplicates()) if heads else 0
    count = f"The {len(rows)} strongest of {shown} heads." if shown > len(rows) else ""
    step = theme.step(len(columns), room=ROOM, smallest=26, largest=84)
    base = alt.Chart(cells).encode(
        x=_tokens(columns, step), y=_rows(rows, "head" if heads else "layer"), tooltip=theme.tooltips(cells)
    )
    numbers = base.mark_text(fontSize=theme.SMALL, color=theme.ink(value), cursor="pointer").encode(text="_number:N")
    width = step * len(columns)
    drawn = [_cells(base, cells, value, unit, heads), *([numbers] if step >= NUMBERS_FROM else [])]
    drawn += [theme.flags(base, mark, value, step)] if mark is not None and cells[mark].any() else []
    return alt.layer(*drawn).properties(
        width=width,
        height=ROW * len(rows),
        title=theme.titled(title, " ".join(filter(None, (subtitle, count))), width=width),
        autosize=theme.NATURAL,
        description=theme.alt_text(
            title, cells, value=value, label="_column", unit=unit, kind="Grid of layers and tokens"
        ),
    )


def _tokens(columns: list[str], step: int) -> alt.X:
    axis = theme.band_axis(
        "token (position · text)", titleAnchor="start", orient="top", labelPadding=6,
        labelAngle=-40, labelAlign="left", labelLimit=220, values=theme.readable(columns, step),
    )  # fmt: skip
    return alt.X("_column:O", axis=axis, scale=alt.Scale(domain=columns, padding=0))


def _strongest(frame: pd.DataFrame, value: str, most: int) -> pd.DataFrame:
    """The rows of the heads with the largest numbers, whatever their sign."""
    names = [f"L{layer}H{head}" for layer, head in zip(frame["layer"], frame["head"], strict=True)]
    largest = frame[value].abs().groupby(names).max().nlargest(most).index
    return frame.assign(_row=names, head=frame["head"].astype(int)).loc[lambda cells: cells["_row"].isin(largest)]


def _rows(rows: list, title: str) -> alt.Y:
    axis = theme.band_axis(title, labelPadding=6)
    return alt.Y("_row:O", axis=axis, scale=alt.Scale(domain=rows, padding=0))


def _cells(base: alt.Chart, cells: pd.DataFrame, value: str, unit: str | None, heads: bool) -> alt.Chart:
    fields = ["layer", "head", "pos"] if heads else ["layer", "pos"]
    chosen = alt.selection_point(name="cell", fields=fields, on="click", clear="dblclick")
    scale = alt.Scale(domain=theme.symmetric(cells[value]), range="diverging")
    legend = theme.gradient(theme.axis_title(value, unit), theme.tick_format(value))
    return (
        base.mark_rect(cursor="pointer")
        .encode(
            color=alt.Color(f"{value}:Q", scale=scale, legend=legend),
            stroke=alt.when(chosen, empty=False).then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
            strokeWidth=alt.value(2.5),
        )
        .add_params(chosen)
    )
