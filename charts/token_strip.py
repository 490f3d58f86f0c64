"""One number per token, as bars along the prompt."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

NUMBERS_FROM = 34  # pixels per token
NARROW, WIDE = 16, 90


def token_strip(
    frame: pd.DataFrame,
    *,
    title: str,
    value: str,
    subtitle: str = "",
    unit: str | None = None,
    pos: int | None = None,
) -> alt.LayerChart:
    """The prompt runs to the right; a bar stands on each token, below the line where its number is negative.

    A click selects a token: selection ``token`` with field ``pos``.

    Args:
        frame: One row per token: pos, token (visible text) and `value`; a token without a value has no bar.
        title: The finding.
        value: Column of the bars' heights.
        subtitle: A line below the title.
        unit: Title of the axis; None for the column's own.
        pos: Position whose bar is outlined.
    """
    kept = frame.assign(_token=theme.token_labels(frame["pos"], frame["token"]), _sign=theme.signs(frame[value]))
    kept = kept.assign(_number=theme.written(kept[value], value))
    labels = list(kept.sort_values("pos")["_token"])
    step = theme.step(len(labels), room=720, smallest=36, largest=72)
    heights = _heights(kept[value], value, unit)
    base = alt.Chart(kept).encode(x=_tokens(labels, min(step, NARROW)), y=heights, tooltip=theme.tooltips(kept))
    layers = [_bars(base, pos)]
    if step >= NUMBERS_FROM:
        layers += _numbers(base, value, signed=bool((kept[value] < 0).any()))
    width = step * len(labels)
    return alt.LayerChart(layer=layers).properties(
        width=width,
        height=200,
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            labels,
            least=NARROW,
            most=WIDE,
            beside=70,
            at=theme.largest(kept if pos is None else kept.loc[lambda rows: rows["pos"] == pos], value, "_token"),
            field="_token",
        ),
        description=theme.alt_text(title, kept, value=value, label="_token", unit=unit, kind="Bars along the prompt"),
    )


def _tokens(labels: list[str], step: int) -> alt.X:
    axis = theme.band_axis(
        "token (position · text)", titleAnchor="start", orient="bottom", labelPadding=4,
        labelAngle=-40, labelAlign="right", labelLimit=160, values=theme.readable(labels, step),
    )  # fmt: skip
    return alt.X("_token:O", axis=axis, scale=alt.Scale(domain=labels, paddingInner=0.2, paddingOuter=0.1))


def _heights(values: pd.Series, value: str, unit: str | None) -> alt.Y:
    """Room above and below for the numbers."""
    low, high = theme.extent(values)
    room = 0.12 * ((high - low) or 1.0)
    axis = alt.Axis(
        title=theme.axis_title(value, unit), format=theme.tick_format(value), tickCount=5, domain=False, ticks=False
    )
    domain = [low - room if low < 0 else 0.0, high + room]
    return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(domain=domain, nice=False))


def _bars(base: alt.Chart, pos: int | None) -> alt.Chart:
    chosen = alt.selection_point(name="token", fields=["pos"], on="click", clear="dblclick")
    outlined = alt.when(chosen, empty=False) if pos is None else alt.when(alt.datum.pos == pos)
    return (
        base.mark_bar(cornerRadiusEnd=2, cursor="pointer")
        .encode(
            color=alt.Color("_sign:N", scale=theme.SIGNS, legend=None),
            stroke=outlined.then(alt.value(theme.GREY)).otherwise(alt.value(None)),
            strokeWidth=alt.value(2.5),
        )
        .add_params(chosen)
    )


def _numbers(base: alt.Chart, value: str, signed: bool) -> list[alt.Chart]:
    """Beyond the bar's end; zeros are told by their missing bar."""
    seen = theme.wide(NUMBERS_FROM, "1", "0")
    sides = [(f"datum['{value}'] > 0", "bottom", -4)] + ([(f"datum['{value}'] < 0", "top", 4)] if signed else [])
    return [
        base.transform_filter(test)
        .mark_text(baseline=baseline, dy=dy, fontSize=theme.SMALL, color=theme.words(), opacity=seen)
        .encode(text="_number:N")
        for test, baseline, dy in sides
    ]
