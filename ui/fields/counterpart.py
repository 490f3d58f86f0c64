"""A second prompt, proposed: one word exchanged, with what that was measured to do."""

from __future__ import annotations

import re

import streamlit as st

from mi_core.phrases import percent, quoted
from ui import belonging, inputs
from ui.compute import attempt, compute
from ui.text import literal

SHOWN = 4


def second_prompt(given: inputs.Inputs) -> str:
    """The prompt with the word exchanged that changes the answer most clearly; empty where there is none."""
    found = attempt("counterpart", given.model, **given.reading, target=given.target, pos=given.pos)
    return found.result.swaps[0].prompt if found else ""


def fact(given: inputs.Inputs) -> tuple[str, str]:
    """A subject and a new answer for an edit, as they are typed: of the model before any edit.

    Where no word can be exchanged, the prompt's last one and the model's second guess; empty where there is no word.
    """
    found = attempt("counterpart", given.model, **given.reading, edits="")
    subject, answer = (found and found.result.fact) or _last_word(given)
    return subject, answer[1:] if answer.startswith(" ") else f'"{answer}"'


def _last_word(given: inputs.Inputs) -> tuple[str, str]:
    words = re.findall(r"\w+", given.prompt)
    guesses = attempt("predict", given.model, **given.reading, edits="")
    return (words[-1], guesses.result.predictions[1]) if words and guesses else ("", "")


def offer_counterpart(given: inputs.Inputs) -> None:
    """A button that looks for second prompts; each that is found is one click away.

    Args:
        given: The page's inputs.
    """
    if not st.button(
        "Suggest others",
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
