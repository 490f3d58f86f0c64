"""Investigate: everything that can be asked of a prompt, one sentence each, with its number, control and proof."""

import streamlit as st

from ui import show
from ui.compute import compute
from ui.fields.second_prompt import second_prompt
from ui.parts import findings
from ui.prompt import header, prompt

HOW = (
    "Each sentence rests on one number of one analysis, with that page's usual settings. Observed: what the model says. "
    "Only correlated: something was looked at and nothing changed, which is a guess. Measured: something was changed, "
    "and the answer moved by so much. Did not hold: a guess that the measurement did not bear out. Below each stands "
    "what it is compared with, and the equation that was checked on these very numbers; the link opens the page that "
    "shows them."
)
header("Investigate", "What is going on in this prompt, and what of it holds?")
chosen = prompt()
corrupted = second_prompt(chosen)
place = st.empty()


def so_far(partial) -> None:
    """The findings that are there already."""
    with place.container():
        findings.draw(partial)


answer = compute(
    "investigate", chosen.model, **chosen.asking, corrupted=corrupted, ask_first=True, on_partial=so_far
)  # fmt: skip
with place.container():
    findings.draw(answer.result)
show.footer(answer, key="findings", how=HOW, table="findings")
