"""Which features are listed, and in which order: one row of fields."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.saes import loading as saes
from mi_core.saes import notes
from ui import address, slots, words


def feature_list_fields(model: str, sae: str, *, has_start: bool) -> dict[str, Any]:
    """Draw the fields; what they say is settings of the `feature_list` analysis.

    Args:
        model: Id of the model.
        sae: Name of the SAE.
        has_start: Whether the prompt has a start token, which is never read.
    """
    known = notes.notes(saes.pick(model, sae)).tell_density
    with st.container(horizontal=True, vertical_alignment="bottom"):
        over = address.choose(words.FEATURES_OVER, st.segmented_control, "Active on", required=True)
        among = [word for word in words.FEATURES_SORT if known or word != "density"]
        sort = address.choose(
            words.FEATURES_SORT, st.selectbox, "Order", among=among, width=180,
            help="The effect is gradient × activation: what a small change of the feature would do to the answer.",
        )  # fmt: skip
        dense = st.number_input(
            "Hide dense, above %", 0.1, 100.0, None, 1.0, key="dense", bind="query-params", placeholder="hide none",
            width=150, disabled=not known,
            help="Hides features that fire on more than this share of all tokens: they tell little of one. "
            + ("Empty hides none." if known else "This autoencoder does not say how often its features fire."),
        )  # fmt: skip
        search = st.text_input(
            "Search labels", key="label", bind="query-params", placeholder="word or number", width=150
        )
        skip = over == "prompt" and not has_start and st.toggle(
            "Hide first token", key="skip_first", bind="query-params",
            help="Without a start token, the first token mostly takes its place: activations there say little.",
        )  # fmt: skip
    slots.place("max_density")
    return {
        "over": over,
        "sort": sort,
        "max_density": dense / 100 if dense and known else 1.0,
        "first_token": not skip,
        "search": search.strip(),
    }
