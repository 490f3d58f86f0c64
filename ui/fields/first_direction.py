"""The direction that the steering page opens on: one that shows on this prompt, found by trying; or another, chosen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.saes import highlights
from mi_core.saes import loading as saes
from ui import address, show, words
from ui.compute import Answer, compute
from ui.fields import directions
from ui.inputs import Inputs
from ui.text import literal

_FOLLOWED = "_push_followed"
SOURCES_HELP = (
    "Found: of some directions that were tried, the one that shows most on this prompt. Or choose one: a feature of a "
    "sparse autoencoder; the difference between what the model thinks at the end of two sets of prompts; what its "
    "output reads for one word; where a probe of labelled texts finds a class; or numbers from elsewhere."
)


def first_direction(inputs: Inputs) -> dict[str, Any]:
    """The one direction that a newcomer sees: one that shows on this prompt, unless another is chosen."""
    model = inputs.model
    hooks = [entry.name for entry in saes.available(model) if not entry.refused]
    given = "feature" if st.session_state.get("feature") is not None or "feature" in st.query_params else "found"
    kind = address.choose(
        words.SOURCE, st.segmented_control, "The direction is", among=directions.offered(hooks, words.SOURCE),
        usual=given, required=True, help=SOURCES_HELP,
    )  # fmt: skip
    if kind == "found":
        return _found(inputs)
    st.session_state[_FOLLOWED] = None
    return directions.fields(kind, model, hooks)


def _found(inputs: Inputs) -> dict[str, Any]:
    """The push that shows on this prompt; its strength is put on the slider, until another prompt has another."""
    answer = compute("push_that_shows", inputs.model, **inputs.reading, foil=inputs.foil)
    result, best = answer.result, answer.result.best
    _follow(answer, best.strength if best else 0.5)
    st.caption(literal(f"{result.reading().title}. {result.reading().sentences[0]}"))
    with st.expander("All that was tried"):
        tried = show.tables(answer)["tried"]
        st.dataframe(tried[["label", "strength", "top_after", "kl", "readable", "text"]], hide_index=True)
    if best is None:
        _offer_another(inputs.model)
    return (best or result.tried[0]).settings


def _follow(answer: Answer, strength: float) -> None:
    """Set the slider once for each push that is found, unless a link or a hand has set it for this one."""
    known = st.session_state.get(_FOLLOWED, answer.request)
    if known != answer.request or ("strength" not in st.session_state and "strength" not in st.query_params):
        st.session_state["strength"] = strength
    st.session_state[_FOLLOWED] = answer.request


def _offer_another(model: str) -> None:
    """An example that is known to show, on its own prompt: taken only by a click."""
    for entry in saes.available(model):
        for one in highlights.of(model, entry.name):
            label = literal(f"See {one.name} on “{one.prompt}” instead")
            st.button(label, key="instead", on_click=_take, args=(one, entry.name))
            return


def _take(highlight: highlights.Highlight, hook: str) -> None:
    """The example with its own prompt: somebody asked for it."""
    st.session_state["prompt"], st.session_state["sae"] = highlight.prompt, hook
    directions.take(highlight, "")
