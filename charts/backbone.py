"""Each letter's likeliest next one, as a tree that flows to the end of the word, or into a round."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW = 21  # pixels
WAY, OTHER = "on the way from the start", "other letters"


def backbone(frame: pd.DataFrame, *, title: str, subtitle: str = "") -> alt.LayerChart:
    """Every letter as a disc, joined to its likeliest next one on its right; letters of a round stand below each other.

    Args:
        frame: One row per letter: letter, next, probability, and on_the_way, where the start leads.
        title: The finding.
        subtitle: A line below it.
    """
    places = _places(dict(zip(frame["letter"], frame["next"], strict=True)))
    nodes = pd.DataFrame([(name, x, y) for name, (x, y) in places.items()], columns=["letter", "_x", "_y"])
    way = {*frame.loc[frame["on_the_way"], "letter"], *frame.loc[frame["on_the_way"], "next"]}
    nodes = nodes.merge(frame, on="letter", how="left").assign(_kind=[_kind(name in way) for name in nodes["letter"]])
    edges = frame.assign(
        _x=[places[name][0] for name in frame["letter"]],
        _y=[places[name][1] for name in frame["letter"]],
        _x2=[places[name][0] for name in frame["next"]],
        _y2=[places[name][1] for name in frame["next"]],
        _kind=[_kind(bool(on)) for on in frame["on_the_way"]],
    )
    height = round(max(y for _, y in places.values())) + 1
    x = alt.X("_x:Q", axis=None, scale=alt.Scale(domain=[min(x for x, _ in places.values()) - 0.3, 0.3]))
    y = alt.Y("_y:Q", axis=None, scale=alt.Scale(domain=[-0.7, height - 0.3], reverse=True))
    legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=220)
    scale = alt.Scale(domain=[WAY, OTHER], range="category")
    colour = alt.Color("_kind:N", scale=scale, legend=legend)
    lines = alt.Chart(edges).mark_rule().encode(
        x=x, y=y, x2="_x2:Q", y2="_y2:Q", color=colour, tooltip=theme.tooltips(edges),
        strokeWidth=alt.StrokeWidth("_kind:N", scale=alt.Scale(domain=[WAY, OTHER], range=[4, 1.5]), legend=None),
    )  # fmt: skip
    base = alt.Chart(nodes).encode(x=x, y=y)
    discs = base.mark_circle(opacity=1).encode(
        color=colour, tooltip=theme.tooltips(nodes),
        size=alt.condition("length(datum.letter) > 1", alt.value(1500), alt.value(300)),
    )  # fmt: skip
    names = base.mark_text(fontSize=theme.SMALL, fontWeight=600, color=theme.ink("_kind")).encode(text="letter:N")
    return alt.LayerChart(layer=[lines, discs, names]).properties(
        height=ROW * height,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="probability", label="letter", kind="Tree of letters"),
    )


def _kind(is_way: bool) -> str:
    return WAY if is_way else OTHER


def _places(following: dict[str, str]) -> dict[str, tuple[int, float]]:
    """(x, y) of every letter: x is minus the steps to the end or the round, y so that no two meet."""
    before: dict[str, list[str]] = {}
    for letter, after in following.items():
        before.setdefault(after, []).append(letter)
    ends = _ends(following)
    places: dict[str, tuple[int, float]] = {}
    row = 0

    def place(letter: str, depth: int) -> float:
        """Leaves stand below each other, every other letter in the middle of those that lead to it."""
        nonlocal row
        leading = [one for one in before.get(letter, []) if one not in ends]
        heights = [place(one, depth + 1) for one in leading]
        if not heights:
            tall = len(letter) > 1  # whose disc is
            heights, row = [row + tall / 2], row + 1 + tall
        places[letter] = (-depth, sum(heights) / len(heights))
        return places[letter][1]

    for letter in ends:
        place(letter, 0)
    return places


def _ends(following: dict[str, str]) -> list[str]:
    """Where all ways lead: the end of the word, and the letters of rounds, each round in its order."""
    found: list[str] = []
    for letter in following:
        way = [letter]
        while way[-1] in following and following[way[-1]] not in way:
            way.append(following[way[-1]])
        last = following.get(way[-1])
        round_ = [way[-1]] if last is None else way[way.index(last) :]
        found += [one for one in round_ if one not in found]
    return found
