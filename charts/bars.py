"""Named numbers as horizontal bars, the largest first."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW = 24  # pixels


def bars(
    frame: pd.DataFrame,
    *,
    title: str,
    label: str,
    value: str,
    subtitle: str = "",
    unit: str | None = None,
    most: int = 20,
    sort: bool = True,
    pick: tuple[str, ...] = (),
    names: int = 260,
) -> alt.LayerChart:
    """Bars from zero, sorted by size whatever the sign, each with its number; colour tells the sign too.

    Args:
        frame: One row per bar: the columns `label` (visible text) and `value`, and any others for the tooltip.
        title: The finding.
        label: Column that names the bars.
        value: Column of their lengths.
        subtitle: A line below the title; where bars are left out, the chart says how many it shows.
        unit: Title of the axis; None for the column's own.
        most: How many bars to draw; the largest are kept.
        sort: Largest first; False keeps the frame's order.
        pick: Columns that a click selects: selection ``bar`` with these fields.
        names: Pixels that names may take; longer ones are cut.
    """
    known = frame[frame[value].notna()].reset_index(drop=True)
    largest = known[value].abs().sort_values(ascending=False, kind="stable").index[:most]
    kept = known.loc[largest if sort else known.index[known.index.isin(largest)]]
    rows = theme.distinct(kept[label])
    signed = bool((kept[value] < 0).any())
    numbers = theme.written(kept[value], value)
    numbers = numbers if signed else [number.lstrip("+") for number in numbers]
    kept = kept.assign(_row=rows, _sign=theme.signs(kept[value]), _number=numbers)
    count = f"The {len(kept):,} largest of {len(known):,}." if len(kept) < len(known) else ""
    lengths = _lengths(kept[value], value, unit)
    base = alt.Chart(kept).encode(y=_names(rows, names), x=lengths, tooltip=theme.tooltips(kept))
    layers = [_bars(base, pick), *_numbers(base, value, signed), *([_zero()] if signed else [])]
    return alt.layer(*layers).properties(
        height=ROW * max(len(rows), 1),
        title=theme.titled(title, " ".join(filter(None, (subtitle, count)))),
        autosize=theme.FILLING,
        description=theme.alt_text(title, known, value=value, label=label, unit=unit, kind="Bar chart"),
    )


def _names(rows: list[str], widest: int) -> alt.Y:
    axis = theme.band_axis(None, labelLimit=widest, labelPadding=6)
    return alt.Y("_row:N", axis=axis, scale=alt.Scale(domain=rows, paddingInner=0.25, paddingOuter=0.1))


def _lengths(values: pd.Series, value: str, unit: str | None) -> alt.X:
    """Room beyond the longest bar on each side, for its number."""
    low, high = theme.extent(values)
    room = 0.16 * ((high - low) or 1.0)
    domain = [low - room if low < 0 else 0.0, high + room if high > 0 or low == 0 else 0.0]
    axis = alt.Axis(
        title=theme.axis_title(value, unit), format=theme.tick_format(value), tickCount=5, domain=False, ticks=False
    )
    return alt.X(f"{value}:Q", axis=axis, scale=alt.Scale(domain=domain, nice=False, zero=True))


def _bars(base: alt.Chart, pick: tuple[str, ...]) -> alt.Chart:
    colour = alt.Color("_sign:N", scale=theme.SIGNS, legend=None)
    drawn = base.mark_bar(cornerRadiusEnd=2, cursor="pointer" if pick else "default").encode(color=colour)
    if not pick:
        return drawn
    chosen = alt.selection_point(name="bar", fields=list(pick), on="click", clear="dblclick")
    faded = alt.when(chosen, empty=True).then(alt.value(1.0)).otherwise(alt.value(0.45))
    return drawn.encode(opacity=faded).add_params(chosen)


def _numbers(base: alt.Chart, value: str, signed: bool) -> list[alt.Chart]:
    """Beyond the bar's end, on the side it points to."""
    sides = [(f"datum['{value}'] >= 0", "left", 5)] + ([(f"datum['{value}'] < 0", "right", -5)] if signed else [])
    return [
        base.transform_filter(test)
        .mark_text(align=align, dx=dx, baseline="middle", fontSize=theme.SMALL, color=theme.words())
        .encode(text="_number:N")
        for test, align, dx in sides
    ]


def _zero() -> alt.Chart:
    return alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=theme.GREY).encode(x="zero:Q")
