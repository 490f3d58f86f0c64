"""The texts in which a part of the model fires most, beside texts at random, and the ways on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mi_core.directions.spec import DirectionSpec, read
from ui import address
from ui.drawn import drawn
from ui.parts import contexts
from ui.parts.direction_links import direction_links
from ui.proof import prove_it

AT_FIRST = 8  # texts that are shown without being asked for
# Where a part of that kind is seen at every token of one prompt.
CLOSER = {"feature": "pages/look/features.py", "neuron": "pages/look/neurons.py", "head": "pages/look/attention.py"}


def found_texts(result) -> None:
    """The strongest on the left, those at random on the right, tinted alike."""
    left, right = st.columns(2, gap="medium")
    with left:
        _list("Where it is strongest", drawn(result, _strongest))
    with right:
        _list("For comparison: texts at random", drawn(result, _random))


def _list(title: str, shown: Sequence[str]) -> None:
    st.markdown(f"**{title}**")
    if not shown:
        st.caption("Nowhere in these texts.")
    for one in shown[:AT_FIRST]:
        st.html(one)
    if more := shown[AT_FIRST:]:
        with st.expander(f"{len(more)} more"):
            for one in more:
                st.html(one)


def _strongest(result) -> list[str]:
    return contexts.excerpts(result.strongest, _largest(result))


def _random(result) -> list[str]:
    return contexts.excerpts(result.random, _largest(result))


def _largest(result) -> float:
    return max((one.activation for one in result.strongest), default=0.0)


def onwards(asked: dict[str, Any], result) -> None:
    """To the strongest text seen closely, and to the proof that the model uses what fires there."""
    kind, own = asked["unit"], {name: value for name, value in asked.items() if name != "unit"}
    if kind in CLOSER and result.strongest:
        st.page_link(
            CLOSER[kind],
            label="See it at every token of its strongest text",
            icon=":material/arrow_forward:",
            query_params=address.link_to(prompt=result.strongest[0].prompt, **own),
        )
    if kind == "direction":
        direction_links(read(DirectionSpec, own))
    elif kind == "feature":
        direction_links(DirectionSpec(f"feature:{own['feature']}", sae=own["sae"]))
    else:
        prove_it(
            "pages/intervene/ablation.py", f"knock this {kind} out and measure what becomes of the answer",
            site=kind, **own,
        )  # fmt: skip
