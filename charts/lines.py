"""A number that changes from layer to layer, as lines."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme


def lines(
    frame: pd.DataFrame,
    *,
    title: str,
    value: str,
    subtitle: str = "",
    x: str = "layer",
    x_title: str = "blocks passed (0: embeddings)",
    series: str | None = None,
    unit: str | None = None,
    rule: float | None = None,
    rule_label: str = "",
) -> alt.LayerChart:
    """Points joined by lines; several series differ in colour and in the shape of their points.

    A column of ranks is drawn on a logarithmic axis with rank 1 at the top.

    Args:
        frame: One row per point: `x`, `value`, and `series` where there is one. A row whose `stage` is
            ``resid_mid`` stands half a layer further right.
        title: The finding.
        value: Column of the heights.
        subtitle: A line below the title.
        x: Column along the horizontal axis.
        x_title: Title of that axis.
        series: Column that tells lines apart.
        unit: Title of the vertical axis; None for the column's own.
        rule: A value to mark with a horizontal line, such as 0 or a threshold.
        rule_label: What that line is.
    """
    half = 0.5 * (frame["stage"] == "resid_mid") if "stage" in frame else 0.0
    points = frame.assign(_x=frame[x] + half).dropna(subset=[value])
    base = alt.Chart(points).encode(x=_across(points["_x"], x_title), y=_up(points[value], value, unit, rule))
    drawn = [] if rule is None else _rule(rule, rule_label, value)
    return alt.layer(*drawn, *_marks(base, points, series)).properties(
        height=240,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, points, value=value, label=x, unit=unit, kind="Line chart"),
    )


def _marks(base: alt.Chart, points: pd.DataFrame, series: str | None) -> list[alt.Chart]:
    line, dots = base.mark_line(strokeWidth=2), base.mark_point(size=50, filled=True, opacity=1)
    dots = dots.encode(tooltip=theme.tooltips(points))
    if series is not None:
        names = [str(name) for name in points[series].unique()]
        legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=220)
        scale = alt.Scale(domain=names, range="category")
        # the line borrows its colour from the points, which alone make one legend of colour and shape
        stroke = alt.ExprRef(f"scale('color', datum['{series}'])")
        line = base.mark_line(strokeWidth=2, stroke=stroke).encode(detail=f"{series}:N")
        dots = dots.encode(
            color=alt.Color(f"{series}:N", scale=scale, legend=legend),
            shape=alt.Shape(f"{series}:N", scale=alt.Scale(domain=names), legend=legend),
        )
    return [line, dots]


def _across(x: pd.Series, title: str) -> alt.X:
    count = max(1, min(12, int(x.max() - x.min())))
    axis = alt.Axis(title=title, tickMinStep=1, format="d", grid=False, tickCount=count)
    return alt.X("_x:Q", axis=axis, scale=alt.Scale(domain=[float(x.min()), float(x.max())], nice=False, padding=8))


def _up(values: pd.Series, value: str, unit: str | None, rule: float | None) -> alt.Y:
    quiet = {"title": theme.axis_title(value, unit), "domain": False, "ticks": False}
    if value.endswith("rank"):
        worst = max(float(values.max()), 10.0)
        axis = alt.Axis(format=",d", values=[10**k for k in range(7) if 10**k <= worst], **quiet)
        return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(type="log", domain=[worst, 1], nice=False, padding=8))
    axis = alt.Axis(format=theme.tick_format(value), tickCount=5, **quiet)
    if theme.number_format(value).endswith("%"):
        return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(zero=rule == 0, padding=8))


def _rule(at: float, label: str, value: str) -> list[alt.Chart]:
    base = alt.Chart(pd.DataFrame({value: [at], "_label": [label]})).encode(y=f"{value}:Q")
    line = base.mark_rule(color=theme.GREY, strokeDash=[4, 3])
    side = {"baseline": "top", "dy": 4} if value.endswith("rank") else {"baseline": "bottom", "dy": -4}
    text = base.mark_text(align="right", fontSize=theme.SMALL, color=theme.GREY, **side).encode(
        x=alt.value("width"), text="_label:N"
    )
    return [line, text] if label else [line]
