"""What comes after one letter: the model's chances, beside those that were counted."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW = 22  # pixels
LEAST = 0.005  # of a chance that is drawn where nothing was counted


def letter_row(frame: pd.DataFrame, *, title: str, most: int = 12) -> alt.LayerChart:
    """A bar for each next letter, as long as the model's chance, and a line where the counted one is; largest first.

    Args:
        frame: One row per next letter: next, probability, counted and count.
        title: The finding.
        most: How many to draw.
    """
    known = frame.loc[lambda rows: (rows["count"] > 0) | (rows["probability"] >= LEAST)]
    kept = known.sort_values(by="probability", ascending=False, kind="stable").head(most)
    total = sum(frame["count"].tolist())
    kept = kept.assign(
        _number=[
            f"{chance}  ·  {count:,} of {total:,}"
            for chance, count in zip(
                theme.written(kept.loc[:, "probability"], "probability"), kept["count"], strict=True
            )
        ]
    )
    left_out = f"The {len(kept)} likeliest of {len(known)}. " if len(kept) < len(known) else ""
    names = list(kept["next"])
    high = float(kept[["probability", "counted"]].to_numpy().max())
    quiet = {"format": ".0%", "tickCount": 5, "domain": False, "ticks": False}
    axis = alt.Axis(title="probability of coming next", labelExpr="datum.value > 1 ? '' : datum.label", **quiet)
    y = alt.Y("next:N", axis=theme.band_axis(None, labelPadding=6), scale=alt.Scale(domain=names, paddingInner=0.25))
    base = alt.Chart(kept).encode(y=y, tooltip=theme.tooltips(kept))
    x = alt.X("probability:Q", axis=axis, scale=alt.Scale(domain=[0, high * 1.4], nice=False))
    bars = base.mark_bar(cornerRadiusEnd=2).encode(x=x)
    ticks = base.mark_tick(color=theme.MARKED, thickness=3, size=ROW - 3).encode(x="counted:Q")
    numbers = base.transform_calculate(_end="max(datum.probability, datum.counted)").mark_text(
        align="left", dx=8, fontSize=theme.SMALL
    )
    return alt.LayerChart(layer=[bars, ticks, numbers.encode(x="_end:Q", text="_number:N")]).properties(
        height=ROW * max(len(names), 1),
        title=theme.titled(title, f"{left_out}Bars: the trained model. Upright lines and numbers: counted."),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="probability", label="next", kind="Bar chart"),
    )
