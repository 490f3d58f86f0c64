"""Training a lens on the user's own text, and what came of it."""

from __future__ import annotations

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields import text_file

_ASKED = "_lens_training"
HOW = (
    "A row per layer: how far the lens is from what the model says in the end, on rows of your text that it did not "
    "learn from. To the left is nearer. The hollow circle is the logit lens, the filled diamond the trained one."
)


def lens_training(model: str, kind: str) -> None:
    """Draw the offer to train a lens of this kind; while one is trained, its progress, and then how good it is."""
    title = "Train a tuned lens on your own text" if kind == "tuned" else "Fit a Jacobian lens on your own text"
    asked = st.session_state.get(_ASKED)
    if asked is not None and asked[:2] != (model, kind):
        asked = None
    with st.expander(title, expanded=asked is not None):
        file = text_file.field("lens_file", "A few thousand words are enough to begin with.")
        st.button(
            "Train", disabled=file is None, key="train", on_click=_ask, args=(model, kind), icon=":material/school:"
        )
        if asked is not None:
            answer = compute("lens_training", model, file=asked[2], kind=kind, edits="")
            show.finding(answer)
            show.chart(answer, figures.lens_training, key="training", how=HOW, table="layers")


def _ask(model: str, kind: str) -> None:
    """Keep the text where the computation finds it, by what it holds, and ask for the lens."""
    st.session_state[_ASKED] = (model, kind, text_file.sent("lens_file"))
