"""The findings of an investigation: under each question its sentences, and below each what they rest on."""

from __future__ import annotations

import html

import streamlit as st

from mi_core.analyses._investigation.finding import Finding
from mi_core.analyses._investigation.steps import STEPS
from mi_core.analyses.investigate import Investigate
from ui import address
from ui.text import literal
from ui.tours.plan import SCRIPTS

# What stands before a sentence: a sign, so that colour is not all that tells, and a word.
MARKS = {
    "observed": ("●", "observed"),
    "correlated": ("◌", "only correlated"),
    "measured": ("✓", "measured"),
    "contradicted": ("◇", "did not hold"),
    "missing": ("–", "not asked"),
}


def draw(result: Investigate) -> None:
    """All there are: of an investigation that still goes on too, so nothing in it has a key."""
    reading = result.reading()
    st.header(literal(reading.title), anchor=False)
    st.markdown(" ".join(map(literal, reading.sentences)))
    for name, step in list(STEPS.items())[: result.steps_done]:
        st.markdown(f"**{step.question}**")
        for each in result.findings:
            if each.step == name:
                _finding(each)


def _finding(each: Finding) -> None:
    sign, word = MARKS[each.evidence]
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        with st.container(width="stretch"):
            st.html(
                f'<p class="loupe-finding {each.evidence}"><span class="mark">{sign} {word}</span> '
                f"{html.escape(each.sentence)}</p>"
                f'<p class="loupe-ground">{html.escape(_ground(each))}</p>'
            )
        if each.evidence != "missing":
            page = each.page or "start"
            st.page_link(
                SCRIPTS[page], label="See it", icon=":material/arrow_forward:",
                query_params=address.link_to(**each.fields), help="Opens the page behind it, filled in.",
            )  # fmt: skip


def _ground(each: Finding) -> str:
    """What a sentence is compared with, and what was checked."""
    check = each.check
    checked = ""
    if check is not None:
        checked = f"{'Checked' if check.passed else 'Check failed'}: {check.name} (off by {check.error:.1e})."
    return " ".join(filter(None, (each.control, checked)))
