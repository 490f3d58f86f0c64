"""The features that are listed, and what is hidden."""

from __future__ import annotations

import streamlit as st

from charts import figures
from ui import show
from ui.compute import Answer
from ui.fields import selection
from ui.text import literal

HOW_TOP = (
    "A sparse autoencoder (SAE) takes the model's activation on one token apart into a few of many learned "
    "directions, called features. The bars are those active on the chosen token, or anywhere in the prompt; the start "
    "token is not read. A label is a guess from the texts in which the feature fires: check it below before believing "
    "it. Click a bar to follow its feature."
)


def draw(answer: Answer) -> None:
    """The list and a line that counts what is hidden.

    Args:
        answer: Of the `feature_list` analysis.
    """
    said = answer.result.reading()
    sentences = said.sentences if len(answer.result.features) else (f"{said.title}.", *said.sentences)
    if sentences:
        st.caption(literal(" ".join(sentences)))
    if len(answer.result.features):
        show.chart(
            answer, figures.feature_list, key="top-features", how=HOW_TOP, table="features",
            on_select=selection.pick_feature("top-features"),
        )  # fmt: skip
