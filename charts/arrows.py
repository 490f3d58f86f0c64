"""Features as arrows in a plane, at the end of a training or, by a slider, at any step of it."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from charts import theme

HEIGHT, REACH = 380, 1.5  # pixels; the units of length that are seen at least, from the middle
DOT = 0.1  # the length from which an arrow has a head and a number
STEP = "training_step"  # name of the slider


def arrows(frame: pd.DataFrame, *, title: str, subtitle: str = "", names: pd.DataFrame | None = None) -> alt.LayerChart:
    """An arrow per feature from the middle, named at its end; a dashed circle has the length of a whole feature.

    Args:
        frame: One row per arrow: feature, x, y; with a column ``step``, arrows of several steps, of which the slider
            below the chart shows one, at first the last.
        title: The finding.
        subtitle: A line below it.
        names: Other arrows, drawn thin and grey: unit, x, y.
    """
    ends = frame.assign(_angle=np.degrees(np.arctan2(frame["x"], frame["y"])), _x0=0.0, _y0=0.0)
    reach = max(REACH, 1.15 * float(np.hypot(frame["x"], frame["y"]).max()))
    slider = _slider(frame)
    if slider is not None:
        ends["_next"] = _following(ends["step"].tolist())
    base = alt.Chart(ends).encode(x=_x("x", reach), y=_y("y", reach), tooltip=theme.tooltips(ends))
    if slider is not None:
        base = base.transform_filter(f"datum.step <= {STEP} && {STEP} < datum._next")
    colour = alt.Color("feature:N", scale=alt.Scale(range="category"), legend=None)
    shafts = base.mark_rule(strokeWidth=3).encode(x2="_x0", y2="_y0", color=colour)
    seen = base.transform_filter(f"hypot(datum.x, datum.y) >= {DOT}")
    heads = seen.mark_point(shape="triangle-up", size=130, filled=True, opacity=1).encode(
        angle=alt.Angle("_angle:Q", scale=None), color=colour
    )
    numbers = seen.transform_calculate(_tx=_beyond("x"), _ty=_beyond("y")).mark_text(
        fontSize=theme.LABEL + 1, fontWeight=600
    ).encode(x=_x("_tx", reach), y=_y("_ty", reach), text="feature:N")  # fmt: skip
    last = frame[frame["step"] == frame["step"].max()] if slider is not None else frame
    layers = [_circle(reach), *_others(names, reach), shafts, heads, numbers]
    played: dict[str, Any] = {} if slider is None else {"params": [slider.param]}
    return alt.LayerChart(layer=layers, **played).properties(
        height=HEIGHT,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(
            title, last.assign(length=np.hypot(last["x"], last["y"])), value="length", label="feature", kind="Arrows"
        ),
    )


def _slider(frame: pd.DataFrame) -> alt.Parameter | None:
    if "step" not in frame:
        return None
    steps = frame["step"].tolist()
    first, last = min(steps), max(steps)
    return alt.param(
        name=STEP, value=last, bind=alt.binding_range(min=first, max=last, step=1, name="Step of training ")
    )


def _following(steps: list[int]) -> list[int]:
    """Of each row, the step that it is shown up to."""
    known = sorted(set(steps))
    after = dict(zip(known, [*known[1:], known[-1] + 1], strict=True))
    return [after[step] for step in steps]


def _x(field: str, reach: float) -> alt.X:
    """Of as many units per pixel as upwards."""
    wide = [alt.ExprRef(f"{end:.4g} * width / height") for end in (-reach, reach)]
    return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=wide, nice=False, zero=False))


def _y(field: str, reach: float) -> alt.Y:
    return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[-reach, reach], nice=False, zero=False))


def _beyond(field: str) -> str:
    """Where the number of an arrow stands: a little beyond its head."""
    return f"datum.{field} * (1 + 0.14 / max(hypot(datum.x, datum.y), 0.14))"


def _circle(reach: float) -> alt.Chart:
    turn = np.radians(np.arange(0, 361, 5))
    points = pd.DataFrame({"x": np.cos(turn), "y": np.sin(turn), "_order": np.arange(len(turn))})
    return (
        alt.Chart(points)
        .mark_line(strokeDash=[3, 4], strokeWidth=1, color=theme.GREY, aria=False)
        .encode(x=_x("x", reach), y=_y("y", reach), order="_order:Q")
    )


def _others(frame: pd.DataFrame | None, reach: float) -> list[alt.Chart]:
    if frame is None:
        return []
    base = alt.Chart(frame.assign(_x0=0.0, _y0=0.0)).encode(
        x=_x("x", reach), y=_y("y", reach), tooltip=theme.tooltips(frame)
    )
    return [
        base.mark_rule(strokeWidth=1, strokeDash=[5, 3], color=theme.GREY).encode(x2="_x0", y2="_y0"),
        base.mark_point(size=40, shape="diamond", color=theme.GREY, filled=False, strokeWidth=1.5),
    ]
