"""How many there are of each size, in bins of equal width; the counts on a logarithmic axis, so that few are seen."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

LEAST = 0.7  # where bars begin, so that one of a single count is seen


def histogram(
    frame: pd.DataFrame,
    *,
    title: str,
    value: str,
    count: str,
    subtitle: str = "",
    unit: str | None = None,
    rule: float | None = None,
    rule_label: str = "",
) -> alt.LayerChart:
    """A bar per bin; bins without any have none.

    Args:
        frame: One row per bin: ``from_<value>``, ``to_<value>`` and `count`; a bin from x to x is left out.
        title: The finding.
        value: What is counted by.
        count: Column of the counts.
        subtitle: A line below the title.
        unit: Title of the horizontal axis; None for the value's own.
        rule: A value that is marked with a line.
        rule_label: What it is.
    """
    low, high = f"from_{value}", f"to_{value}"
    bins = frame.loc[(frame[low] < frame[high]) & (frame[count] > 0)].reset_index(drop=True)
    bins = bins.assign(_foot=LEAST, _sign=["below zero" if end <= 0 else "above zero" for end in bins[high]])
    most = float(bins[count].max()) if len(bins) else 1.0
    span = [float(bins[low].min()), float(bins[high].max())] if len(bins) else [0.0, 1.0]
    across = alt.X(
        f"{low}:Q",
        axis=alt.Axis(title=theme.axis_title(value, unit), format="~g", grid=False, tickCount=8),
        scale=alt.Scale(domain=[min(span[0], 0.0), max(span[1], 0.0)], nice=False),
    )
    up = alt.Y(
        f"{count}:Q",
        axis=alt.Axis(
            title=f"{theme.axis_title(count)} (logarithmic)", format=",d", domain=False, ticks=False,
            values=[10**power for power in range(12) if 10**power <= most * 2],
        ),
        scale=alt.Scale(type="log", domain=[LEAST, most * 1.3], nice=False),
    )  # fmt: skip
    bars = (
        alt.Chart(bins)
        .mark_bar(binSpacing=1)
        .encode(
            x=across, x2=f"{high}:Q", y=up, y2="_foot:Q",
            color=alt.Color("_sign:N", scale=theme.SIGNS, legend=None), tooltip=theme.tooltips(bins),
        )
    )  # fmt: skip
    layers = [bars] if rule is None else [bars, *_rule(rule, low, rule_label)]
    named = bins.assign(_bin=[f"{row[low]:g} to {row[high]:g}" for _, row in bins.iterrows()])
    return alt.LayerChart(layer=layers).properties(
        height=220,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, named, value=count, label="_bin", kind="Histogram"),
    )


def _rule(at: float, field: str, label: str) -> list[alt.Chart]:
    base = alt.Chart(pd.DataFrame({field: [at], "_label": [label]})).encode(x=f"{field}:Q")
    name = base.mark_text(align="left", dx=4, baseline="top", fontSize=theme.SMALL, color=theme.GREY)
    return [
        base.mark_rule(color=theme.GREY, strokeDash=[4, 3]),
        name.encode(text="_label:N", y=alt.value(0)),
    ]
