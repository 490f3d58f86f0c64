"""What becomes of the model as it is pushed harder: a curve over strengths, marked where its language breaks."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

MOST_TICKS = 12
SHAPES = {"fine": "circle", "too surprising": "cross", "repeats itself": "triangle-up"}


def strengths(
    frame: pd.DataFrame,
    *,
    title: str,
    value: str,
    subtitle: str = "",
    x_title: str = "strength (in mean residual norms)",
    series: str | None = None,
    unit: str | None = None,
    rule: float | None = None,
    rule_label: str = "",
) -> alt.LayerChart:
    """Points joined by lines; their shape tells whether the text is still whole. Perplexities on a logarithmic axis.

    Args:
        frame: One row per point: `strength`, `value`, `state` (a key of `SHAPES`), and `series` where there is one.
        title: The finding.
        value: Column of the heights.
        subtitle: A line below the title.
        x_title: Title of the horizontal axis.
        series: Column that tells lines apart by colour.
        unit: Title of the vertical axis; None for the column's own.
        rule: A value to mark with a horizontal line.
        rule_label: What that line is.
    """
    points = frame.dropna(subset=[value])
    base = alt.Chart(points).encode(x=_across(points["strength"], x_title), y=_up(value, unit))
    legend = {"title": None, "orient": "top", "direction": "horizontal", "labelLimit": 220}
    names = [name for name in SHAPES if (points["state"] == name).any()]
    shape = alt.Shape(
        "state:N",
        scale=alt.Scale(domain=names, range=[SHAPES[name] for name in names]),
        legend=alt.Legend(symbolFillColor=theme.GREY, symbolStrokeColor=theme.GREY, **legend),
    )
    colour = alt.Undefined
    if series is not None:
        tokens = [str(name) for name in points[series].unique()]
        colour = alt.Color(f"{series}:N", scale=alt.Scale(domain=tokens, range="category"), legend=alt.Legend(**legend))
    line = base.mark_line(strokeWidth=2).encode(color=colour)
    dots = base.mark_point(size=90, filled=True, opacity=1).encode(
        color=colour, shape=shape, tooltip=theme.tooltips(points)
    )
    drawn = [] if rule is None else _rule(rule, rule_label, value)
    return alt.layer(*drawn, line, dots).properties(
        height=240,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, points, value=value, label="strength", unit=unit, kind="Line chart"),
    )


def _across(x: pd.Series, title: str) -> alt.X:
    levels = sorted(x.unique())
    ticks = {"values": levels} if len(levels) <= MOST_TICKS else {"tickCount": MOST_TICKS}
    axis = alt.Axis(title=title, format=".3~g", grid=False, **ticks)
    return alt.X("strength:Q", axis=axis, scale=alt.Scale(domain=[float(x.min()), float(x.max())], padding=8))


def _up(value: str, unit: str | None) -> alt.Y:
    quiet = {"title": theme.axis_title(value, unit), "domain": False, "ticks": False}
    if value == "perplexity":
        return alt.Y(f"{value}:Q", axis=alt.Axis(format="~s", tickCount=4, **quiet), scale=alt.Scale(type="log"))
    domain = [0, 1] if theme.number_format(value).endswith("%") else alt.Undefined
    axis = alt.Axis(format=theme.tick_format(value), tickCount=5, **quiet)
    return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(domain=domain, zero=True))


def _rule(at: float, label: str, value: str) -> list[alt.Chart]:
    base = alt.Chart(pd.DataFrame({value: [at], "_label": [label]})).encode(y=f"{value}:Q")
    text = base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, fontSize=theme.SMALL, color=theme.GREY)
    return [
        base.mark_rule(color=theme.GREY, strokeDash=[4, 3]),
        text.encode(x=alt.value(0), text="_label:N"),
    ]
