"""The fields of the IOI page: which prompts are asked, and which heads are knocked out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.heads.name_prompts import MOST_PROMPTS, NAMES, TEMPLATES
from ui import address, slots, words
from ui.inputs import in_link, place_in_link

SENTENCES = (
    "A sentence per line. {A} and {B} are the two names, {S} is whichever comes again; {P} is a place and {O} a thing. "
    "It ends where the other name would come."
)


def prompts() -> dict[str, Any]:
    """The settings of `ioi` that say what is asked."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        questions = address.choose(
            words.NAME_QUESTIONS, st.segmented_control, "Prompts", required=True,
            help="On the eight of TransformerLens’ demo, GPT-2 small’s values were published.",
        )  # fmt: skip
        drawn = questions == "drawn"
        n_prompts = st.number_input(
            "How many", 2, MOST_PROMPTS, 32, 2, key="n_prompts", bind="query-params", width=130, disabled=not drawn,
            persist_state="session", help="Half of them with either name first.",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 10_000, 0, 1, key="seed", bind="query-params", width=130, persist_state="session",
            help="The same seed draws the same prompts, another one others.",
        )  # fmt: skip
    slots.place("questions")
    slots.place("n_prompts")
    with st.expander("Names and sentences of your own"):
        names = st.text_area(
            "Names (empty: those that ship)", key="names", height=70, bind=in_link("names"), disabled=not drawn,
            placeholder=", ".join(NAMES[:12]) + ", …", persist_state="session",
            help="With commas between them. Only those count that are a single token for this model.",
        )  # fmt: skip
        templates = st.text_area(
            "Sentences (empty: those that ship)", key="templates", height=120, bind=in_link("templates"),
            placeholder="\n".join(TEMPLATES), persist_state="session", disabled=not drawn, help=SENTENCES,
        )  # fmt: skip
    for field in ("names", "templates"):
        slots.place(field)
        place_in_link(field)
    own = {"names": names, "templates": templates} if drawn else {}
    return {"questions": questions, "n_prompts": n_prompts if drawn else 32, "seed": seed, **own}


def knockout() -> tuple[bool, tuple[str, ...]]:
    """Whether the page shows the model with heads knocked out, and those that somebody chose."""
    with st.container(horizontal=True, vertical_alignment="center"):
        knocked = st.toggle(
            "Knock out the name movers, or whoever else answers", key="knocked", bind="query-params",
            help="At the last token, the mean over prompts of three different names takes the place of what they pass "
            "on. Everything after them reacts.",
        )  # fmt: skip
        without = st.session_state.get("without", [])
        if knocked:
            without = st.multiselect(
                "Which", list(without), key="without", bind="query-params", accept_new_options=True,
                placeholder="those found: name movers, or else the other speakers", width=420,
                label_visibility="collapsed", help="Type a head such as L3H2, or leave it empty.",
            )  # fmt: skip
    slots.place("without")
    return knocked, tuple(without) if knocked else ()
