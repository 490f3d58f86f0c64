"""The logit lens: what the model would say after every layer, at every token."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme
from charts.cells import cells, token_columns

ROW = 28  # pixels
ROOM = 690  # pixels for the cells of a page
NARROW, WIDE = 46, 64  # of a column that still shows a word, and of one that shows most
LARGEST = 104
TEXT_FROM = 34  # narrower columns show no words
STAGES = {"resid_pre": 0, "resid_mid": 1, "resid_post": 2}


def lens_cells(lens: pd.DataFrame, target: pd.DataFrame) -> pd.DataFrame:
    """The tables `lens` and `target` of a logit lens as one row per cell: the top guess, and how the answer fares."""
    answer = target.rename(columns={"probability": "target_probability", "rank": "target_rank"})
    answer = answer[["layer", "stage", "pos", "target_probability", "target_rank", "entropy", "kl_to_final"]]
    return lens[lens["rank"] == 1].drop(columns="rank").merge(answer, on=["layer", "stage", "pos"])


def lens_heatmap(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    colour: str = "probability",
    pos: int | None = None,
    answer: str | None = None,
    own: bool = False,
    columns_title: str = "token read (position · text)",
    along: str = "pos",
) -> alt.LayerChart:
    """Rows run downwards from the embeddings to the output, columns along the prompt; a cell holds the top guess.

    A click selects a cell: selection ``cell`` with fields ``layer`` and ``pos``, or what columns are `along`.

    Args:
        frame: One row per cell: layer, stage, pos, token, prediction (visible text) and the column `colour`; as from
            `lens_cells`.
        title: The finding.
        subtitle: A line below it.
        colour: Column that colours the cells.
        pos: Position, or what columns are along, whose column is outlined.
        answer: Cells whose guess is this text are set in bold.
        own: Those whose guess is the token of their own column are.
        columns_title: What the columns are.
        along: Column of the frame whose numbers run to the right; what is no position is written by itself.
    """
    said = {name: pd.Series(frame[name]) for name in frame}
    labels = theme.token_labels(said["pos"], said["token"]) if along == "pos" else said[along].map("{:,}".format)
    grid = frame.assign(_column=labels, _row=_rows(frame))
    columns = list(grid.sort_values(along)["_column"].unique())
    rows = list(grid.assign(_stage=grid["stage"].map(STAGES)).sort_values(["layer", "_stage"])["_row"].unique())
    named = "token" if along == "pos" else along
    narrowest = NARROW if NARROW * len(columns) <= ROOM else WIDE  # no room for all: scroll, with room for words
    step = theme.step(len(columns), room=ROOM, smallest=narrowest, largest=LARGEST)
    base = alt.Chart(grid).encode(
        x=token_columns("_column", columns, min(step, narrowest), columns_title),
        y=_layers(rows),
        tooltip=theme.tooltips(grid),
    )
    share = colour in theme.PROBABILITIES
    layers = [cells(base, grid[colour], colour, name="cell", fields=["layer", along], share=share)]
    if step >= TEXT_FROM:
        layers.append(_words(base, colour, "datum.token" if own else answer and theme.literal(answer)))
    if pos is not None:
        layers.append(base.transform_filter(alt.datum[along] == pos).mark_rect(**theme.OUTLINE))
    width = step * len(columns)
    return alt.LayerChart(layer=layers).properties(
        width=width,
        height=ROW * len(rows),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(
            columns,
            least=narrowest,
            printed=NARROW,
            most=LARGEST,
            beside=theme.beside(rows, 140),
            at=theme.largest(grid.loc[lambda rows: rows[along] == pos], along, "_column"),
            field="_column",
        ),
        description=theme.alt_text(title, frame, value=colour, label=named, kind="Heat map"),
    )


def _rows(frame: pd.DataFrame) -> list[str]:
    """A name for every row: the layer it comes after, with the two ends in words."""
    last = int(frame["layer"].max())
    keys = zip(frame["layer"], frame["stage"], strict=True)
    return [_row(int(layer), stage, last) for layer, stage in keys]


def _row(layer: int, stage: str, last: int) -> str:
    if stage == "resid_mid":
        return f"within {layer}"
    ends = {0: "embeddings", last: f"after {last - 1} · output"}
    return ends.get(layer, f"after {layer - 1}")


def _layers(rows: list[str]) -> alt.Y:
    axis = theme.band_axis("layer", labelLimit=140, labelPadding=6)
    return alt.Y("_row:O", axis=axis, scale=alt.Scale(domain=rows, padding=0))


def _words(base: alt.Chart, colour: str, bold: str | None) -> alt.Chart:
    """The guesses; those that are what the expression `bold` says stand out."""
    weight = alt.ExprRef(f"datum.prediction === {bold} ? 700 : 400") if bold else 400
    style = {"font": theme.MONO, "fontSize": theme.SMALL, "fontWeight": weight, "color": theme.ink(colour)}
    limit = alt.ExprRef("bandwidth('x') - 6")
    return base.mark_text(limit=limit, cursor="pointer", **style).encode(text="prediction:N")
