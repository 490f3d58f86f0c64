"""One number per pair of heads, as a grid: who writes downwards, who reads to the right."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells

MOST_PAIRS = 100  # the strongest, whose heads are drawn
ROW, NARROW, WIDE = 20, 18, 60  # pixels of a row, and of a column
NUMBERS_FROM = 34  # pixels of a column that holds its number


def pair_grid(
    frame: pd.DataFrame, *, title: str, value: str, unit: str | None = None, subtitle: str = ""
) -> alt.LayerChart:
    """Earlier heads run downwards, later ones to the right; colours are centred at zero. Of many heads, those of the
    strongest pairs are drawn.

    A click selects a pair: selection ``pair`` with fields ``from_layer``, ``from_head``, ``to_layer``, ``to_head``.

    Args:
        frame: One row per pair: the four fields and `value`.
        title: The finding.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own.
        subtitle: A line below the title.
    """
    strongest = frame.nlargest(MOST_PAIRS, value)
    senders = sorted({*zip(strongest["from_layer"], strongest["from_head"], strict=True)})
    receivers = sorted({*zip(strongest["to_layer"], strongest["to_head"], strict=True)})
    rows, columns = [_named(*head) for head in senders], [_named(*head) for head in receivers]
    grid = frame.assign(
        _from=[*map(_named, frame["from_layer"], frame["from_head"])],
        _to=[*map(_named, frame["to_layer"], frame["to_head"])],
    )
    grid = grid.loc[grid["_from"].isin(rows) & grid["_to"].isin(columns)]
    grid = grid.assign(_number=theme.written(grid[value], value))
    few = f"Heads of the {MOST_PAIRS} strongest of {len(frame):,} pairs." if len(frame) > len(grid) else ""
    base = alt.Chart(grid).encode(
        x=_axis(alt.X, "_to", columns, "reads", labelAngle=-90, orient="top"),
        y=_axis(alt.Y, "_from", rows, "writes"),
        tooltip=theme.tooltips(grid),
    )
    numbers = base.mark_text(
        fontSize=theme.SMALL, color=theme.ink(value), opacity=theme.wide(NUMBERS_FROM, "1", "0"), cursor="pointer"
    ).encode(text="_number:N")
    step = theme.step(len(columns), room=720, smallest=NARROW, largest=WIDE)
    fields = ["from_layer", "from_head", "to_layer", "to_head"]
    drawn = [cells(base, grid[value], value, name="pair", fields=fields, unit=unit), numbers]
    drawn += [theme.minus(base, value, NUMBERS_FROM)] if bool((grid[value] < 0).any()) else []
    width = step * len(columns)
    return alt.LayerChart(layer=drawn).properties(
        width=width,
        height=ROW * max(len(rows), 1),
        title=theme.titled(title, " ".join(filter(None, (subtitle, few)))),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            columns, least=NARROW, most=WIDE, beside=theme.beside(rows), at=theme.largest(grid, value, "_to")
        ),
        description=theme.alt_text(title, grid, value=value, label="_from", unit=unit, kind="Grid of pairs of heads"),
    )


def _named(layer: int, head: int) -> str:
    return f"L{layer}H{head}"


def _axis(channel: type, field: str, names: list[str], title: str, **options):
    axis = theme.band_axis(title, labelPadding=6, **options)
    return channel(f"{field}:O", axis=axis, scale=alt.Scale(domain=names, padding=0))
