"""What several methods give each word: a row for each method, with what it sums to and how it fares beside it."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells, token_columns

ROOM = 620  # pixels for the columns of a page
ROW = 30
NARROW, WIDE = 18, 84  # of a column
LABEL = 190  # pixels of a method's name
NUMBERS_FROM = 40  # pixels per column
#: What stands beside the words, by its heading.
BESIDE = {"Σ": "of_gap", "lost": "comprehensiveness", "τ": "agreement"}


def method_rows(
    scores: pd.DataFrame, grades: pd.DataFrame, labels: dict[str, str], *, title: str, subtitle: str = ""
) -> alt.LayerChart:
    """Methods run downwards, words to the right; each row's colours reach its own largest score.

    A click selects a word: selection ``cell`` with field ``player``.

    Args:
        scores: One row per cell: method, player, pos, token (visible text), score and relative.
        grades: One row per method: of_gap, comprehensiveness, agreement; more methods than in `scores` come below.
        labels: How each method is called.
        title: The finding.
        subtitle: A line below it.
    """
    columns_of = theme.token_labels(pd.Series(scores["pos"]), pd.Series(scores["token"]))
    grid = scores.assign(_column=columns_of, _row=[labels[method] for method in scores["method"]])
    grid = grid.assign(_number=theme.written(pd.Series(grid["score"]), "score"))
    words = list(grid.sort_values("pos")["_column"].unique())
    columns, rows = [*words, *BESIDE], [labels[method] for method in grades["method"]]
    step = theme.step(len(columns), room=ROOM, smallest=NARROW, largest=WIDE)
    x, y = token_columns("_column", columns, NARROW, "part (position · text)"), _methods(rows)
    base = alt.Chart(grid).encode(x=x, y=y, tooltip=theme.tooltips(grid))
    drawn = [
        cells(base, pd.Series(grid["relative"]), "relative", name="cell", fields=["player"]),
        base.mark_text(
            fontSize=theme.SMALL, color=theme.ink("relative"), opacity=theme.wide(NUMBERS_FROM, "1", "0"),
            cursor="pointer",
        ).encode(text="_number:N"),
        theme.minus(base, "relative", NUMBERS_FROM),
        _beside(grades, labels).encode(x=x, y=y, tooltip=theme.tooltips(grades)),
    ]  # fmt: skip
    width = step * len(columns)
    return alt.LayerChart(layer=drawn).properties(
        width=width,
        height=ROW * len(rows),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            columns,
            least=26,
            most=WIDE,
            beside=theme.beside(rows),
            field="_column",
        ),
        description=theme.alt_text(title, grid, value="score", label="_column", kind="Grid of methods and words"),
    )


def _methods(rows: list[str]) -> alt.Y:
    return alt.Y(
        "_row:O", axis=theme.band_axis(None, labelPadding=6, labelLimit=LABEL), scale=alt.Scale(domain=rows, padding=0)
    )


def _beside(grades: pd.DataFrame, labels: dict[str, str]) -> alt.Chart:
    """The numbers of each row, in columns of their own."""
    parts = [
        grades.assign(
            _row=[labels[method] for method in grades["method"]],
            _column=heading,
            _text=theme.written(pd.Series(grades[column]), column),
        )
        for heading, column in BESIDE.items()
    ]
    return alt.Chart(pd.concat(parts)).mark_text(fontSize=theme.SMALL).encode(text="_text:N")
