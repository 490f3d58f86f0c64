"""What two charts of one figure differ in: B − A of every number that both draw."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts import theme
from charts.bars import bars
from charts.cells import cells
from charts.drawn_values import DrawnValues, title_of
from charts.lines import LAYERS, layer_name

A, B, CHANGE = "value_a", "value_b", "value_difference"
LABEL = "_label"  # ends the columns that hold a mark's names as its chart writes them
NUMBERS_UP_TO, NUMBERS_FROM = 150, 40  # cells that hold their number, and the pixels of a column that it needs


def difference(
    drawn: DrawnValues, matched: pd.DataFrame, like: dict[str, Any], *, title: str, subtitle: str = ""
) -> alt.LayerChart:
    """B − A on the axes of the chart A where it is a grid or a line, else as bars, the largest first.

    Args:
        drawn: What the chart A draws.
        matched: A row per mark of both: `value_a`, `value_b`, `value_difference`, and for each of the keys the label
            that A has (`…_label_a`) and that of B (`…_label_b`).
        like: The chart A, whose size is taken over.
        title: The finding.
        subtitle: A line below it.
    """
    change = "probability_change" if theme.number_format(drawn.field).endswith("%") else "change"
    frame = pd.DataFrame({change: matched[CHANGE], "A": matched[A], "B": matched[B], "at": places(drawn, matched)})
    frame = frame.assign(**{key: matched[key + LABEL + "_a"] for key in drawn.keys}).dropna(subset=[change])
    unit = f"B − A: {drawn.title}" if drawn.title else "B − A"
    if drawn.is_grid:
        return _grid(drawn, frame, change, like, unit, title, subtitle)
    if len(drawn.keys) == 1 and drawn.axes[0][0] == "x" and drawn.axes[0][1]["type"] == "quantitative":
        return _line(drawn, frame, change, unit, title, subtitle)
    return bars(
        pd.DataFrame(frame[["at", "A", "B", change]]), title=title, subtitle=subtitle, label="at", value=change,
        unit=unit,
    )  # fmt: skip


def finding(drawn: DrawnValues, matched: pd.DataFrame, only_a: int, only_b: int) -> tuple[str, str]:
    """One sentence on what differs most, and one on what has no counterpart, "" where all has one.

    Args:
        drawn: What the chart A draws.
        matched: As for `difference`.
        only_a: Numbers that only A draws.
        only_b: Those that only B draws.
    """
    alone = _alone(only_a, only_b, len(matched))
    size = matched[CHANGE].abs().dropna()
    if size.empty:
        return "A and B share no number", alone
    what = drawn.title or theme.axis_title(drawn.field)
    most = matched.loc[[size.idxmax()]]
    a, b = (theme.written(most[column], drawn.field)[0] for column in (A, B))
    if not size.to_numpy().any():
        return f"A and B are the same: {what}, in all {len(size):,} places", alone
    where = places(drawn, most)[0]
    said = f"{a} in A, {b} in B" if a != b else f"about {a} in both"
    return f"Most different at {where}: {said} ({what})", alone


def places(drawn: DrawnValues, matched: pd.DataFrame) -> list[str]:
    """What each mark is called: the labels of its axes, the vertical one first; those of both where they differ."""
    order = sorted(range(len(drawn.keys)), key=lambda at: drawn.axes[at][0] == "x")
    parts = []
    for at in order:
        key, encoding = drawn.keys[at], drawn.axes[at][1]
        a, b = (matched[f"{key}{LABEL}{side}"] for side in ("_a", "_b"))
        parts.append([_called(encoding, one, other) for one, other in zip(a, b, strict=True)])
    return [", ".join(names) for names in zip(*parts, strict=True)]


def _called(encoding: dict[str, Any], one: Any, other: Any) -> str:
    if (encoding.get("axis") or {}).get("labelExpr") == LAYERS:
        return layer_name(float(one))
    text, second = str(one), str(other)
    if text.lstrip("-").replace(".", "", 1).isdecimal():
        number = f"{float(one):g}"
        return f"{title_of(encoding)} {number}".strip()
    if text == second:
        return text
    place, _, word = second.partition(" ")
    return f"{text} / {word if text.startswith(place + ' ') and word else second}"


def _alone(only_a: int, only_b: int, both: int) -> str:
    said = [f"{count:,} only in {name}" for name, count in (("A", only_a), ("B", only_b)) if count]
    return f"{both:,} places are in both, {' and '.join(said)}." if said else ""


def _grid(
    drawn: DrawnValues, frame: pd.DataFrame, change: str, like: dict[str, Any], unit: str, title: str, subtitle: str
) -> alt.LayerChart:
    """Cells where the chart A has them; up to 150 hold their number."""
    width, room = like.get("width"), like.get("usermeta", {}).get("room", {})
    channels = {name: _encoded(name, encoding) for name, encoding in drawn.axes}
    columns = len(set(frame[drawn.keys[0]]))
    numbers = len(frame) <= NUMBERS_UP_TO and (width or 0) / max(columns, 1) >= NUMBERS_FROM
    changes = pd.Series(frame[change])
    frame = frame.assign(_number=theme.written(changes, change))
    base = alt.Chart(frame).encode(**channels, tooltip=theme.tooltips(pd.DataFrame(frame[["at", "A", "B", change]])))
    drawn_cells = cells(base, changes, change, name="cell", fields=list(drawn.keys), unit=unit)
    layers = [drawn_cells]
    if numbers:
        layers.append(base.mark_text(fontSize=theme.SMALL, color=theme.ink(change)).encode(text=alt.Text("_number:N")))
    elif changes.min() < 0:
        layers.append(theme.minus(base, change))
    return alt.LayerChart(layer=layers).properties(
        **({"width": width} if width else {}),
        height=like["height"],
        title=theme.titled(title, subtitle, width=width or 380),
        autosize=theme.NATURAL if width else theme.FILLING,
        **({"usermeta": {"room": room}} if room else {}),
        description=theme.alt_text(title, frame, value=change, label="at", unit=unit, kind="Heat map"),
    )


def _line(drawn: DrawnValues, frame: pd.DataFrame, change: str, unit: str, title: str, subtitle: str) -> alt.LayerChart:
    """A line around zero, along the axis of the chart A."""
    axis = alt.Axis(title=unit, format=theme.tick_format(change), tickCount=5, domain=False, ticks=False)
    up = alt.Y(f"{change}:Q", axis=axis, scale=alt.Scale(domain=_around(pd.Series(frame[change])), nice=False))
    shown = pd.DataFrame(frame[["at", "A", "B", change]])
    base = alt.Chart(frame).encode(x=_encoded("x", drawn.axes[0][1]), y=up)
    dots = base.mark_point(size=50, filled=True, opacity=1).encode(tooltip=theme.tooltips(shown))
    zero = alt.Chart(pd.DataFrame({change: [0.0]})).mark_rule(color=theme.GREY).encode(y=f"{change}:Q")
    return alt.LayerChart(layer=[zero, base.mark_line(strokeWidth=2), dots]).properties(
        height=200,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value=change, label="at", unit=unit, kind="Line chart"),
    )


def _around(values: pd.Series) -> list[float]:
    reach = 1.1 * (float(values.abs().max()) or 1.0)
    return [-reach, reach]


def _encoded(channel: str, encoding: dict[str, Any]) -> Any:
    return (alt.X if channel == "x" else alt.Y).from_dict(encoding, validate=False)
