"""How far apart the two models are that a page compares, layer by layer."""

from __future__ import annotations

import streamlit as st

from charts import figures
from ui import compare, show
from ui.compute import compute
from ui.inputs import Inputs

HOW_ALIKE = (
    "CKA asks whether tokens that are far apart in one model's residual stream are far apart in the other's: 1 where "
    "they all are, 0 where that is as by chance. It does not see how a stream is turned. It is debiased, since few "
    "tokens make any two streams look alike."
)
HOW_APART = (
    "The KL divergence between what the logit lens reads in the two models at each layer, on average over the tokens: "
    "0 bits where both would say the same. It needs one vocabulary for both."
)


def drift(chosen: Inputs) -> None:
    """The two models' streams and lenses, where a page compares two: the last thing on it."""
    other = compare.other_model()
    if other is None:
        return
    st.divider()
    st.subheader("How far apart the two models are, layer by layer", anchor=False)
    found = compute("drift", chosen.model, prompt=chosen.prompt, other_model=other)
    show.finding(found)
    alike, apart = st.columns(2, gap="medium")
    with alike:
        show.chart(found, figures.drift, value="cka", key="drift", how=HOW_ALIKE, table="layers")
    if found.result.kl is not None:
        with apart:
            show.chart(found, figures.drift, value="kl", key="drift-kl", how=HOW_APART, table="layers")
