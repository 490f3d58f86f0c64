"""How much a circuit keeps, against how many parts it has, beside random circuits of equal size."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

# column: what it is called, its dashes, its width, its shape
SERIES: dict[str, tuple[str, list[float], float, str]] = {
    "faithfulness": ("this ranking", [1, 0], 2.5, "circle"),
    "held_out": ("on held-out pairs", [8, 3], 1.75, "square"),
    "random": ("random, equal size", [2, 3], 1.75, "triangle-up"),
}
REACH = (-0.5, 1.6)  # what lies beyond is drawn at the edge


def size_curve(
    frame: pd.DataFrame, *, title: str, size: int, level: float, of: str, subtitle: str = ""
) -> alt.LayerChart:
    """A line for each of `SERIES` that has numbers; the range of the random ones is shaded.

    Args:
        frame: One row per size: `size`, the columns of `SERIES`, `random_lowest` and `random_highest`.
        title: The finding.
        size: The size that was chosen, which is marked.
        level: What was to be kept.
        of: What the parts are.
        subtitle: A line below the title.
    """
    parts = [
        pd.DataFrame({"which": said, "size": frame["size"], "faithfulness": frame[column]})
        for column, (said, *_) in SERIES.items()
    ]
    drawn = pd.concat(parts, ignore_index=True).dropna(subset=["faithfulness"])
    drawn["shown"] = drawn["faithfulness"].clip(*REACH)
    x = _across(frame, of)
    shaded = frame.dropna(subset=["random_lowest"])
    band = alt.Chart(
        shaded.assign(low=shaded["random_lowest"].clip(*REACH), high=shaded["random_highest"].clip(*REACH))
    )
    layers = [
        band.mark_area(color=theme.GREY, opacity=0.22).encode(x=x, y=_up("low", drawn), y2="high:Q"),
        *_rules(frame, x, drawn, size, level),
        *_lines(drawn, x),
    ]
    return alt.LayerChart(layer=layers).properties(
        height=300,
        title=theme.titled(title, subtitle, width=theme.PHONE),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="faithfulness", label="size", kind="Line chart"),
    )


def _across(frame: pd.DataFrame, of: str) -> alt.X:
    """Small circuits have as much room as large ones."""
    last = int(frame["size"].to_numpy().max())
    ticks = [size for size in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if size < 0.7 * last]
    axis = alt.Axis(title=f"{of} kept", values=[*ticks, last], format=",d", grid=False)
    return alt.X(
        "size:Q", axis=axis, scale=alt.Scale(type="symlog", constant=1, domain=[0, last], nice=False, padding=8)
    )


def _up(column: str, drawn: pd.DataFrame) -> alt.Y:
    shown = drawn["shown"].to_numpy()
    low, high = min(0.0, float(shown.min())), max(1.05, float(shown.max()))
    axis = alt.Axis(title="kept of the answer (F)", format=".0%", tickCount=5, domain=False, ticks=False)
    return alt.Y(f"{column}:Q", axis=axis, scale=alt.Scale(domain=[low, high], nice=False))


def _lines(drawn: pd.DataFrame, x: alt.X) -> list[alt.Chart]:
    looks = {said: (dash, width, shape) for said, dash, width, shape in SERIES.values() if said in set(drawn["which"])}
    names = alt.Scale(domain=list(looks), range="category")
    legend = alt.Legend(title=None, orient="top", columns=2, symbolSize=80)
    shapes = alt.Scale(domain=list(looks), range=[shape for *_, shape in looks.values()])
    lines = []
    for said, (dash, width, _) in looks.items():
        base = alt.Chart(drawn[drawn["which"] == said]).encode(x=x, y=_up("shown", drawn))
        line = base.mark_line(strokeDash=dash, strokeWidth=width)
        lines.append(line.encode(color=alt.Color("which:N", scale=names, legend=legend)))
    dots = (
        alt.Chart(drawn)
        .mark_point(size=55, filled=True, opacity=1)
        .encode(
            x=x,
            y=_up("shown", drawn),
            color=alt.Color("which:N", scale=names, legend=legend),
            shape=alt.Shape("which:N", scale=shapes, legend=legend),
            tooltip=theme.tooltips(pd.DataFrame(drawn, columns=["which", "size", "faithfulness"])),
        )
    )
    return [*lines, dots]


def _rules(frame: pd.DataFrame, x: alt.X, drawn: pd.DataFrame, size: int, level: float) -> list[alt.Chart]:
    """What was asked for, what the whole model keeps, and the circuit that was chosen."""
    found = []
    for share, said in ((1.0, "whole model"), (level, "asked for")):
        row = pd.DataFrame({"shown": [share], "size": [0], "_label": [f"{said} {share:.0%}"]})
        base = alt.Chart(row).encode(y=_up("shown", drawn))
        text = base.mark_text(baseline="bottom", align="left", dy=-3, dx=4, fontSize=theme.SMALL, color=theme.GREY)
        found += [base.mark_rule(color=theme.GREY, strokeDash=[4, 3]), text.encode(x=x, text="_label:N")]
    chosen = alt.Chart(pd.DataFrame({"size": [size]})).mark_rule(color=theme.MARKED, strokeWidth=2.5, opacity=0.8)
    return [*found, chosen.encode(x=x)]
