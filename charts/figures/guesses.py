"""The charts of guesses, lenses and written text."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from charts.bars import bars
from charts.figures.table import table
from charts.figures.units import _feature_names
from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.lines import lines
from charts.shift import shift
from charts.token_strip import token_strip
from mi_core.models.tokens import visible

WRITTEN = {
    "entropy": "How unsure it was before each token",
    "probability": "How likely each token was that it wrote",
    "surprisal": "How much each token surprised the model that wrote it",
}


def predict(result: Any, *, title: str = "Best guesses for the next token") -> alt.LayerChart:
    """The likeliest next tokens."""
    return bars(table(result, "predictions"), title=title, label="token", value="probability")


def surprise(result: Any) -> alt.LayerChart:
    """How little the model expected each token of the prompt: from `predict`."""
    return token_strip(table(result, "positions"), title="How much each token surprised the model", value="surprisal")


def logit_lens(
    result: Any, *, title: str = "The top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, coloured by the column `colour` of `lens_cells`."""
    cells = lens_cells(table(result, "lens"), table(result, "target"))
    return lens_heatmap(cells, title=title, colour=colour, pos=result.pos, answer=visible(result.target.text))


def tuned_lens(
    result: Any, *, title: str = "The tuned lens' top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, through learned translators."""
    return logit_lens(result, title=title, colour=colour)


def jacobian_lens(
    result: Any, *, title: str = "The Jacobian lens' top guess after each layer", colour: str = "probability"
) -> alt.LayerChart:
    """The top guess of every layer and token, by its average effect on the output."""
    return logit_lens(result, title=title, colour=colour)


def lens_difference(result: Any, *, title: str | None = None) -> alt.LayerChart:
    """The second lens' top guess of every layer and token, coloured by how much likelier it finds the answer."""
    cells = table(result, "difference")
    return lens_heatmap(
        cells.rename(columns={"second_prediction": "prediction"}).assign(stage="resid_pre"),
        title=title or f"How much likelier the {result.second} lens finds the answer than the {result.first} lens",
        colour="probability_change",
        pos=result.pos,
        answer=visible(result.target.text),
    )


def lens_training(result: Any, *, title: str = "How far the lens is from the model's final guess") -> alt.LayerChart:
    """The distance of the logit lens and of the trained one, by layer, on text that it was not trained on."""
    layers = table(result, "layers")
    return shift(
        layers,
        title=title,
        label="stage",
        before="logit_kl",
        after="lens_kl",
        names=("logit lens", "trained lens"),
        unit="distance to the final guess: KL (bits)",
        most=len(layers),
        sort=False,
    )


def token_ranks(result: Any) -> alt.LayerChart:
    """The rank of the answer at every layer and token: from any lens."""
    cells = lens_cells(table(result, "lens"), table(result, "target"))
    name = visible(result.target.text)
    return lens_heatmap(
        cells.assign(prediction=cells["target_rank"].map("{:,}".format)),
        title=f"Where “{name}” ranks, after each layer and at each token",
        colour="target_probability",
        pos=result.pos,
        answer="1",
    )


def answer_by_layer(result: Any, *, follow: str = "probability") -> alt.LayerChart:
    """The answer's `follow` at the chosen token, layer by layer: from `logit_lens`."""
    target = table(result, "target")
    return lines(
        pd.DataFrame(target[target["pos"] == result.pos]),
        title=f"“{visible(result.target.text)}”: {follow} by layer",
        value=follow,
        subtitle=f"at token {result.pos}, {visible(result.tokens.texts[result.pos])}",
    )


def writing(result: Any, *, title: str | None = None, value: str = "entropy", pos: int | None = None) -> alt.LayerChart:
    """`value` (entropy, surprisal or probability) of every written token; `pos` is outlined."""
    steps = table(result, "steps").drop(columns="text")
    return token_strip(steps, title=title or WRITTEN[value], value=value, pos=result.least_sure if pos is None else pos)


def writing_lens(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The lens' top guess after every layer, inside each step: from `writing`."""
    return lens_heatmap(
        table(result, "lens"),
        title="The top guess after each layer, before each token was written",
        pos=result.least_sure if pos is None else pos,
        own=True,
        columns_title="token written (position · text)",
    )


def _of_step(result: Any, name: str, pos: int | None) -> tuple[pd.DataFrame, str]:
    """The rows of one step, and the token it wrote."""
    at, rows = result.least_sure if pos is None else pos, table(result, name)
    return rows.loc[rows["pos"] == at], f"“{visible(result.tokens.texts[at])}”"


def writing_guesses(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """What could have been written in place of one token: from `writing`."""
    rows, name = _of_step(result, "guesses", pos)
    return bars(rows, title=f"Best guesses before {name}", label="prediction", value="probability")


def writing_heads(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The heads that push one written token most: from `writing`."""
    rows, name = _of_step(result, "heads", pos)
    return bars(rows, title=f"What heads add to {name}", label="component", value="contribution")


def writing_features(result: Any, *, pos: int | None = None) -> alt.LayerChart:
    """The features that are strongest where one token was predicted: from `writing`."""
    rows, name = _of_step(result, "features", pos)
    rows = rows.assign(name=_feature_names(rows))
    return bars(rows, title=f"Features where {name} was predicted", label="name", value="activation")
