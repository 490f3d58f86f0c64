"""A second prompt, proposed: one word exchanged, with what that was measured to do."""

from __future__ import annotations

import streamlit as st

from mi_core.phrases import percent, quoted
from ui import belonging, inputs
from ui.compute import compute
from ui.text import literal

SHOWN = 4


def offer_counterpart(given: inputs.Inputs) -> None:
    """A button that looks for second prompts; each that is found is one click away.

    Args:
        given: The page's inputs.
    """
    if not st.button(
        "Suggest one",
        icon=":material/lightbulb:",
        type="tertiary",
        key="suggest",
        help="Exchanges words that matter to the answer for words close to them in the model's embedding, runs each, "
        "and lists those that change the answer most clearly. Near is not always sensible: choose.",
    ):
        return
    settings = given.reading | {"target": given.target, "pos": given.pos}
    counterpart = compute("counterpart", given.model, **settings).result
    st.markdown(
        f"Exchanges that take away {literal(quoted(counterpart.target.text))}, now at {percent(counterpart.before)}:"
    )
    for n, swap in enumerate(counterpart.swaps[:SHOWN]):
        left, guess = percent(swap.probability), f"{quoted(swap.prediction)} {percent(swap.prediction_probability)}"
        st.button(
            literal(f"{quoted(swap.token)} → {quoted(swap.replacement)}: {left} left, {guess} instead"),
            key=f"swap-{n}",
            on_click=belonging.suggest,
            args=("corrupted", swap.prompt),
            help=literal(swap.prompt),
        )
