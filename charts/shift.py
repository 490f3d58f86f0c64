"""How an intervention moved the next token's probabilities: before and after, side by side."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW = 26  # pixels
STILL, STILL_SHARE = 0.005, 0.0005  # changes, in logits and in probability, that are written as zero


def shift(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    label: str = "token",
    before: str = "probability_before",
    after: str = "probability_after",
    names: tuple[str, str] = ("before", "after"),
    unit: str | None = None,
    most: int = 16,
    sort: bool = True,
    still: bool = False,
) -> alt.LayerChart:
    """A line per token from a hollow circle (before) to a filled diamond (after), the largest changes first.

    Rows whose number would be zero are left out, unless nothing moves at all, or `still` ones are asked for.

    Args:
        frame: One row per token: the columns `label` (visible text), `before` and `after`.
        title: The finding.
        subtitle: A line below it.
        label: Column that names the rows.
        before: Column of the values without the intervention.
        after: Column of the values with it.
        names: What the two values are called in the legend.
        unit: Title of the axis; None for probabilities.
        most: How many rows to draw.
        sort: Largest changes first; else in the frame's order.
        still: Draw rows that do not move too.
    """
    frame = frame.reset_index(drop=True)
    change = frame[after] - frame[before]
    order = (-change.abs().to_numpy()).argsort(kind="stable") if sort else range(len(frame))
    kept = frame.assign(_change=change).iloc[order[:most]]
    stands = kept["_change"].abs() < (STILL if unit else STILL_SHARE)
    left_out = 0 if still or stands.all() else int(stands.sum())
    kept = kept[~stands] if left_out else kept
    rows = theme.distinct(kept[label])
    kept = kept.assign(_row=rows, _sign=theme.signs(kept["_change"]), _end=kept[[before, after]].max(axis=1))
    kept = kept.assign(_number=theme.written(kept["_change"], "change" if unit else "probability_change"))
    base = alt.Chart(kept).encode(y=_names(rows))
    layers = [_lines(base, before, after), _ends(kept, rows, {names[0]: before, names[1]: after}, unit), _numbers(base)]
    return alt.layer(*layers).properties(
        height=ROW * max(len(rows), 1),
        title=theme.titled(title, " ".join(filter(None, (subtitle, _left_out(left_out))))),
        autosize=theme.FILLING,
        description=theme.alt_text(title, kept, value="_change", label=label, unit="change", kind="Before and after"),
    )


def _left_out(count: int) -> str:
    """What the subtitle says of rows that do not move."""
    return f"{count} more {'does' if count == 1 else 'do'} not move." if count else ""


def _names(rows: list[str]) -> alt.Y:
    axis = theme.band_axis(None, grid=False, labelLimit=220, labelPadding=12)
    return alt.Y("_row:N", axis=axis, scale=alt.Scale(domain=rows))


def _lines(base: alt.Chart, before: str, after: str) -> alt.Chart:
    colour = alt.Color("_sign:N", scale=theme.SIGNS, legend=None)
    return base.mark_rule(strokeWidth=3).encode(x=f"{before}:Q", x2=f"{after}:Q", color=colour)


def _ends(kept: pd.DataFrame, rows: list[str], columns: dict[str, str], unit: str | None) -> alt.Chart:
    ends = pd.concat([kept.assign(when=when, _at=kept[at]) for when, at in columns.items()])
    low, high = theme.extent(ends["_at"])
    scale = alt.Scale(domain=[low, high + 0.18 * ((high - low) or 1.0)], nice=False)
    fmt = ",~f" if unit else ".0%" if high > 0.05 else ".1%"
    axis = alt.Axis(title=unit or "probability of coming next", format=fmt, tickCount=5, domain=False, ticks=False)
    shapes = alt.Scale(domain=list(columns), range=["circle", "diamond"])
    hollow = {"symbolStrokeColor": theme.GREY, "symbolFillColor": "transparent"}
    legend = alt.Legend(title=None, orient="top", direction="horizontal", **hollow)
    filled = alt.Scale(domain=list(columns), range=[0, 1])
    return (
        alt.Chart(ends)
        .mark_point(size=80, opacity=1, strokeWidth=2)
        .encode(
            y=_names(rows),
            x=alt.X("_at:Q", scale=scale, axis=axis),
            color=alt.Color("_sign:N", scale=theme.SIGNS, legend=None),
            fill=alt.Fill("_sign:N", scale=theme.SIGNS, legend=None),
            fillOpacity=alt.FillOpacity("when:N", scale=filled, legend=legend),
            shape=alt.Shape("when:N", scale=shapes, legend=legend),
            tooltip=theme.tooltips(ends),
        )
    )


def _numbers(base: alt.Chart) -> alt.Chart:
    """The change, right of the further end."""
    return base.mark_text(align="left", dx=9, fontSize=theme.SMALL, color=theme.words()).encode(
        x="_end:Q", text="_number:N"
    )
