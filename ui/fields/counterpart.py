"""A second prompt, proposed: one word exchanged, with what that was measured to do."""

from __future__ import annotations

import streamlit as st

from mi_core.phrases import percent, quoted
from ui import inputs
from ui.compute import compute
from ui.text import literal

SHOWN = 4


def offer_counterpart(chosen: inputs.Inputs) -> None:
    """A button that looks for second prompts; each that is found is one click away.

    Args:
        chosen: The page's inputs.
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
    settings = chosen.reading | {"target": chosen.target, "pos": chosen.pos}
    found = compute("counterpart", chosen.model, **settings).result
    st.markdown(f"Exchanges that take away {literal(quoted(found.target.text))}, now at {percent(found.before)}:")
    for n, swap in enumerate(found.swaps[:SHOWN]):
        left, guess = percent(swap.probability), f"{quoted(swap.prediction)} {percent(swap.prediction_probability)}"
        st.button(
            literal(f"{quoted(swap.token)} → {quoted(swap.replacement)}: {left} left, {guess} instead"),
            key=f"swap-{n}",
            on_click=_use,
            args=(swap.prompt,),
            help=literal(swap.prompt),
        )


def _use(prompt: str) -> None:
    st.session_state["corrupted"] = prompt
