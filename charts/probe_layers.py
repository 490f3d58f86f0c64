"""How well probes do at each layer, beside everything that they have to beat."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.lines import across

# column: what it is called, its dashes, its width, its shape
SERIES: dict[str, tuple[str, list[float], float, str]] = {
    "accuracy": ("groups held out", [1, 0], 3.0, "circle"),
    "held_out_words": ("words held out", [10, 2], 2.0, "square"),
    "untrained": ("random weights", [6, 3], 1.5, "triangle-up"),
    "control": ("control task", [2, 3], 1.5, "diamond"),
    "shuffled_95": ("shuffled labels (95%)", [8, 3, 2, 3], 1.5, "cross"),
}
FLATTERING = "Grey: split at random, which flatters."
HEIGHT = 320
HIGH = 0.95  # share beyond which there is no room above a line


def probe_layers(
    frame: pd.DataFrame, *, title: str, rules: dict[str, float], subtitle: str = "", layer: int | None = None
) -> alt.LayerChart:
    """A line per way of testing, the one that counts thick and with its 95 % interval; dashes and shapes tell them too.

    The random split is thin and grey, and the subtitle warns of it. A click selects a layer: selection ``layer`` with
    the field ``layer``.

    Args:
        frame: One row per layer: `layer`, `low`, `high`, `random_split` and the columns of `SERIES`; those without
            numbers are left out.
        title: The finding.
        rules: Shares that are the same at every layer, by what they are called.
        subtitle: A line below the title.
        layer: The layer to mark.
    """
    frame = frame.assign(_x=frame["layer"].astype(float))
    last = float(frame["_x"].to_numpy().max())
    layers = [_flattering(frame), *_lines(_series(frame)), *_counted(frame, layer), *_rules(rules, last)]
    return alt.LayerChart(layer=layers).properties(
        height=HEIGHT,
        title=theme.titled(title, " ".join(filter(None, (subtitle, FLATTERING)))),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="accuracy", label="layer", kind="Line chart"),
    )


def _series(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A row per layer, for each line that has numbers."""
    return {
        name: pd.DataFrame({"layer": frame["layer"], "_x": frame["_x"], "test": name, "share": frame[column]})
        for column, (name, *_) in SERIES.items()
        if frame[column].notna().to_numpy().any()
    }


def _up(column: str) -> alt.Y:
    axis = alt.Axis(title="texts told right", format=".0%", tickCount=5, domain=False, ticks=False)
    return alt.Y(f"{column}:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))


def _lines(series: dict[str, pd.DataFrame]) -> list[alt.Chart]:
    """A line for each, by its own dashes and shape."""
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=260, symbolSize=80)
    named = alt.Scale(domain=list(series), range="category")
    looks = {name: (dash, width, shape) for name, dash, width, shape in SERIES.values() if name in series}
    shapes = alt.Scale(domain=list(series), range=[shape for *_, shape in looks.values()])
    every = pd.concat(series.values(), ignore_index=True)
    drawn = [
        _at(every)
        .mark_point(size=45, opacity=1, filled=True)
        .encode(
            color=alt.Color("test:N", scale=named, legend=legend),
            shape=alt.Shape("test:N", scale=shapes, legend=legend),
            tooltip=theme.tooltips(every),
        )
    ]
    for name, (dash, width, _) in looks.items():  # a scale of dashes would be in the legend's shapes too
        line = _at(series[name]).mark_line(strokeDash=dash, strokeWidth=width)
        drawn.append(line.encode(color=alt.Color("test:N", legend=None)))
    return drawn


def _at(series: pd.DataFrame) -> alt.Chart:
    return alt.Chart(series).encode(x=across(series["_x"].to_numpy()), y=_up("share"))


def _counted(frame: pd.DataFrame, layer: int | None) -> list[alt.Chart]:
    """The interval of the accuracy that counts, and its points, which a click selects."""
    chosen = alt.selection_point(name="layer", fields=["layer"], on="click", clear="dblclick")
    shown = ["layer", "accuracy", "low", "high", "auc", "random_split", "selectivity", "compression"]
    points = frame[["_x", *shown]].assign(_chosen=frame["layer"] == layer, test=SERIES["accuracy"][0])
    base = alt.Chart(points).encode(x=across(points["_x"].to_numpy()))
    colour = alt.Color("test:N", legend=None)
    interval = base.mark_rule(strokeWidth=1.5).encode(y=_up("low"), y2="high:Q", color=colour)
    dots = (
        base.mark_point(size=130, filled=True, opacity=1, cursor="pointer")
        .encode(
            y=_up("accuracy"),
            color=colour,
            stroke=alt.when("datum._chosen").then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
            strokeWidth=alt.value(3),
            tooltip=theme.tooltips(pd.DataFrame(points, columns=shown)),
        )
        .add_params(chosen)
    )
    return [interval, dots]


def _flattering(frame: pd.DataFrame) -> alt.Chart:
    """The random split, thin and grey."""
    base = alt.Chart(frame).encode(x=across(frame["_x"].to_numpy()), y=_up("random_split"))
    return base.mark_line(strokeWidth=1, color=theme.GREY)


def _rules(rules: dict[str, float], last: float) -> list[alt.Chart]:
    """Each with its name before the last layer; of two, the lower one's stands below its line."""
    rows = sorted(rules.items(), key=lambda item: item[1])
    drawn = []
    for number, (name, share) in enumerate(rows):
        row = pd.DataFrame({"share": [share], "_x": [last - 0.5], "_label": [f"{name} {share:.0%}"]})
        base = alt.Chart(row).encode(y=_up("share"))
        below = (number == 0 and len(rows) > 1) or share > HIGH
        text = base.mark_text(
            baseline="top" if below else "bottom", dy=4 if below else -4, fontSize=theme.SMALL, color=theme.GREY
        ).encode(x="_x:Q", text="_label:N")
        drawn += [base.mark_rule(color=theme.GREY, strokeDash=[4, 3]), text]
    return drawn
