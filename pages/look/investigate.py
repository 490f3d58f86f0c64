"""Investigate: everything that can be asked of a prompt, one sentence each, with its number, control and proof."""

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields.second_prompt import second_prompt
from ui.parts import findings
from ui.prompt import header, prompt

HOW = (
    "Each sentence rests on one number of one analysis, with its page's usual settings. Observed: what the model says. "
    "Only correlated: something was looked at and nothing changed, which is a guess. Measured: something was changed, "
    "and the answer moved by so much. Did not hold: a guess that the measurement did not bear out. Below each stands "
    "what it is compared with, and the equation that was checked on these very numbers; the link opens the page that "
    "shows them."
)
HOW_HEADS = (
    "Each row is a head. The hollow mark is what looking foretells: were the head gone and nothing else reacted, its "
    "own write would be missing from the answer. The filled one is what happens when it is knocked out (its mean "
    "instead). Where the two lie apart, other heads step in, or read what this one writes."
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
if answer.result.heads:
    show.chart(answer, figures.investigate, key="heads", how=HOW_HEADS, table="heads")
