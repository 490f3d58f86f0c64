"""Which class a probe takes for which."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

CELL = 34  # pixels


def confusion(frame: pd.DataFrame, *, title: str, subtitle: str = "") -> alt.LayerChart:
    """True classes run downwards, what they are taken for to the right; every cell holds its number of texts.

    Args:
        frame: One row per pair of classes: `label`, `predicted`, `texts`.
        title: The finding.
        subtitle: A line below the title.
    """
    classes = list(dict.fromkeys(frame["label"]))
    drawn = frame.assign(_number=frame["texts"].astype(str))
    domain = alt.Scale(domain=classes, padding=0.04)
    base = alt.Chart(drawn).encode(
        x=alt.X(
            "predicted:N",
            scale=domain,
            axis=theme.band_axis(None, orient="top", labelLimit=120, labelAngle=0, labelPadding=6),
        ),
        y=alt.Y("label:N", scale=domain, axis=theme.band_axis(None, labelLimit=160, labelPadding=8)),
        tooltip=theme.tooltips(frame),
    )
    ramp = alt.Scale(domain=[0, max(int(frame["texts"].to_numpy().max()), 1)], range="ramp")
    rects = base.mark_rect().encode(color=alt.Color("texts:Q", scale=ramp, legend=None))
    numbers = base.mark_text(fontSize=theme.LABEL).encode(text="_number:N", color=alt.value(theme.ink("texts")))
    return alt.LayerChart(layer=[rects, numbers]).properties(
        height=CELL * len(classes),
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="texts", label="label", kind="Grid of classes"),
    )
