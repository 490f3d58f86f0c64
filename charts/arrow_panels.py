"""The arrows of several trainings side by side."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme

HEIGHT, WIDTH = 180, 160  # pixels, and of each panel
APART = 3.2  # units of length from middle to middle


def arrow_panels(frame: pd.DataFrame, says: dict[int, str], *, title: str, subtitle: str = "") -> alt.LayerChart:
    """A small picture for each start, with a line below it. A click selects one: selection ``start``.

    Args:
        frame: One row per arrow: start, feature, x, y.
        says: The line below each start's picture.
        title: The finding.
        subtitle: A line below it.
    """
    middle = {start: APART * number for number, start in enumerate(says)}
    across = [-APART / 2, APART * (len(says) - 0.5)]
    x0 = np.array([middle[start] for start in frame["start"].tolist()])
    drawn = frame.assign(_x0=x0, _y0=0.0, _x=x0 + frame["x"], _angle=np.degrees(np.arctan2(frame["x"], frame["y"])))
    chosen = alt.selection_point(name="start", fields=["start"], on="click", clear="dblclick")
    colour = alt.Color("feature:N", scale=alt.Scale(range="category"), legend=None)
    base = alt.Chart(drawn).encode(x=_x("_x", across), y=_y("y", across))
    below = pd.DataFrame({"start": list(says), "_says": list(says.values()), "_x": list(middle.values())})
    named = alt.Chart(below)
    layers = [
        _circles(middle).encode(x=_x("_x", across), y=_y("_y", across)),
        base.mark_rule(strokeWidth=2).encode(x2="_x0", y2="_y0", color=colour),
        base.mark_point(shape="triangle-up", size=50, filled=True, opacity=1).encode(
            color=colour, angle=alt.Angle("_angle:Q", scale=None)
        ),
        named.mark_text(fontSize=theme.SMALL).encode(
            x=_x("_x", across), y=alt.value(HEIGHT - 8), text="_says:N"
        ),
        named.mark_rect(opacity=0, cursor="pointer", aria=False).encode(
            x=_x("_left", across), x2="_right:Q", y=alt.value(0), y2=alt.value(HEIGHT)
        ).transform_calculate(_left=f"datum._x - {APART / 2}", _right=f"datum._x + {APART / 2}").add_params(chosen),
    ]  # fmt: skip
    lengths = frame.assign(length=np.hypot(frame["x"], frame["y"]))
    return alt.LayerChart(layer=layers).properties(
        height=HEIGHT,
        title=theme.titled(title, subtitle),
        autosize=theme.NATURAL,
        width=WIDTH * len(says),
        usermeta=theme.room(list(says), least=120, most=260, beside=0),
        description=theme.alt_text(title, lengths, value="length", label="start", kind="Arrows"),
    )


def _x(field: str, across: list[float]) -> alt.X:
    return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=across, nice=False, zero=False))


def _y(field: str, across: list[float]) -> alt.Y:
    """Of as many units per pixel as across, with room for the line below."""
    reach = f"{across[1] - across[0]:.4g} * height / width / 2"
    up = [alt.ExprRef(f"{sign}{reach} - 0.2") for sign in ("-", "")]
    return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=up, nice=False, zero=False))


def _circles(middle: dict[int, float]) -> alt.Chart:
    turn = np.radians(np.arange(0, 361, 10))
    points = [
        pd.DataFrame({"_start": start, "_x": at + np.cos(turn), "_y": np.sin(turn), "_order": np.arange(len(turn))})
        for start, at in middle.items()
    ]
    line = alt.Chart(pd.concat(points)).mark_line(strokeDash=[2, 3], strokeWidth=1, color=theme.GREY, aria=False)
    return line.encode(order="_order:Q", detail="_start:N")
