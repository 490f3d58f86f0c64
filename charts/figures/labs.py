"""The charts of the labs, whose models are trained in the page."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.arrow_panels import arrow_panels
from charts.arrows import arrows
from charts.backbone import backbone
from charts.bars import bars
from charts.figures.table import table
from charts.interference import interference
from charts.learning_curve import learning_curve
from charts.lengths import lengths
from charts.letter_grid import letter_grid
from charts.letter_row import letter_row
from charts.loss_curves import loss_curves
from charts.shift import shift


def bigram(
    result: Any, *, title: str | None = None, of: str = "probability", letter: str | None = None
) -> alt.LayerChart:
    """Which letter follows which, by the trained model, or as ``counted``; a click selects a letter's row."""
    own = "What the model has learned" if of == "probability" else "What was counted"
    frame = table(result, "pairs").drop(columns="difference")
    top = max(frame[["counted", "probability"]].to_numpy().ravel().tolist())  # the same for both
    return letter_grid(
        frame, title=title or own, value=of, top=top, letter=letter, subtitle="Row: a letter. Column: the next."
    )


def bigram_loss(result: Any) -> alt.LayerChart:
    """The loss, step by step, above that of the counts: from `bigram`."""
    return learning_curve(
        table(result, "loss"),
        title="Its surprise at the words, step by step",
        unit="surprise (bits per letter)",
        floor_name=f"counting: {result.floor:.2f} bits",
    )


def bigram_row(result: Any, *, letter: str = "start") -> alt.LayerChart:
    """What comes after one letter: from `bigram`."""
    pairs = table(result, "pairs")
    title = "How words start" if letter == "start" else f"What comes after “{letter}”"
    return letter_row(pairs.loc[pairs["letter"] == letter].drop(columns=["letter", "difference"]), title=title)


def bigram_rules(result: Any) -> alt.LayerChart:
    """What the model knows, surest first: from `bigram`."""
    rules = table(result, "rules")
    names = [f"{rule}  ({count:,} of {seen:,})" for rule, count, seen in rules[["rule", "count", "seen"]].values]
    title = "The rulebook: what the model is surest of"
    return bars(
        rules.assign(rule=names).drop(columns="rank"), title=title, label="rule", value="probability", most=15,
        subtitle="In brackets: how often it was so in the words.",
    )  # fmt: skip


def bigram_backbone(result: Any) -> alt.LayerChart:
    """The likeliest next letter of each: from `bigram`."""
    return backbone(
        table(result, "backbone"),
        title="The backbone: always the likeliest letter",
        subtitle="On the right of each letter stands the one that is likeliest to follow it.",
    )


def bigram_ablation(result: Any, *, title: str = "How long the words are") -> alt.LayerChart:
    """The share of words of each length: in the words, of the whole model, and without the part."""
    makers = {"words": "the words it learned from", "whole": "the whole model"}
    without = {} if result.cut == "nothing" else {"without": f"without {result.part}"}
    return lengths(table(result, "lengths"), title=title, makers=makers | without)


def bigram_of_model(result: Any, *, title: str | None = None, source: str = "alone") -> alt.LayerChart:
    """The likeliest next tokens by one source: ``alone``, ``first block``, ``whole`` or ``counted``."""
    rows = table(result, "next")
    own = {
        "alone": "Embedding and unembedding alone",
        "first block": "With the first block",
        "whole": "The whole model",
        "counted": "Counted in its own text",
    }[source]
    rows = rows.loc[rows["source"] == source]
    return bars(rows if source == "counted" else rows.drop(columns="count"), title=title or own, label="prediction",
                value="probability", most=6)  # fmt: skip


def superposition(
    result: Any, *, title: str | None = None, start: int | None = None, slider: bool = True
) -> alt.LayerChart:
    """The arrows of a plane at every step of training; of more dimensions, or one, what each feature has to itself."""
    start = result.best + 1 if start is None else start
    if result.W.shape[1] != 2:
        return dimensionality(result, title=title, start=start)
    path = _of_start(result, "path", start)
    return arrows(
        path if slider else path.loc[path["step"] == path["step"].max()].drop(columns="step"),
        title=title or "Features as arrows, step by step",
        subtitle=f"Start {start}. Circle: the length of a whole feature.",
    )


def _of_start(result: Any, name: str, start: int | None) -> pd.DataFrame:
    """The rows of one start, of the best if none is named; features by their names."""
    rows = table(result, name)
    return pd.DataFrame(rows.loc[rows["start"] == (result.best + 1 if start is None else start)]).drop(columns="start")


def dimensionality(result: Any, *, title: str | None = None, start: int | None = None) -> alt.LayerChart:
    """D of each feature: from `superposition`."""
    rows = _of_start(result, "features", start)
    rows = rows.assign(name=[f"feature {number}" for number in rows["feature"]])
    title = title or "What each feature has to itself"
    return bars(rows, title=title, label="name", value="dimensionality", sort=False)


def superposition_starts(result: Any) -> alt.LayerChart:
    """The arrows that each start ended with; a click selects one: from `superposition`, in a plane."""
    path, starts = table(result, "path"), table(result, "starts")
    fitting = zip(starts["start"], starts["features_that_fit"], strict=True)
    says = {int(start): f"start {start}: {count} fit" for start, count in fitting}
    says[result.best + 1] += " (best)"
    ends = pd.DataFrame(path.loc[path["step"] == path["step"].max()])
    return arrow_panels(ends, says, title="How each start ended")


def superposition_losses(result: Any) -> alt.LayerChart:
    """The loss of every start while it was trained: from `superposition`."""
    return loss_curves(table(result, "losses"), title="The loss of each start")


def feature_interference(result: Any, *, start: int | None = None) -> alt.LayerChart:
    """What each feature adds where another is read: from `superposition`."""
    return interference(_of_start(result, "interference", start), title="What each feature adds to each")


def hidden_meanings(result: Any, *, hidden: int = 1, start: int | None = None) -> alt.LayerChart:
    """The features that one dimension carries: from `superposition`."""
    rows = _of_start(result, "weights", start)
    rows = rows.loc[rows["hidden"] == hidden]
    rows = rows.assign(name=[f"feature {number}" for number in rows["feature"]])
    return bars(rows, title=f"What dimension {hidden} stands for", label="name", value="w", sort=False)


def unpacking(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """How near the nearest direction comes to each feature, random and learned."""
    features = table(result, "features")
    return shift(
        features.assign(name=[f"feature {number}" for number in features["feature"]]),
        title=title or "How near the nearest direction comes to each feature",
        label="name",
        before="random_cosine",
        after="cosine",
        names=("random directions", "learned directions"),
        unit="best cosine",
        most=20,
        sort=False,
        still=True,
    )


def unpacked_arrows(result: Any) -> alt.LayerChart:
    """True arrows and learned directions in a plane: from `unpacking`."""
    units = table(result, "units").pivot(index="unit", columns="hidden", values="w")
    units = units.set_axis(["x", "y"], axis=1).reset_index()
    true = pd.DataFrame({"feature": range(1, len(result.fits) + 1), "x": result.W[0], "y": result.W[1]})
    title = "The features, and the directions that were learned"
    return arrows(true, title=title, subtitle="Dashed: learned directions.", names=units)
