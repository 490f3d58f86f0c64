"""The bigram lab's fields: the words, the training, and which letter is looked at or taken out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.labs.bigram_training import ENOUGH
from mi_core.labs.pairs import END, START
from ui import address, slots, words
from ui.inputs import in_link, place_in_link
from ui.text import literal


def training() -> dict[str, Any]:
    """The words, the seed and how long is trained, as settings of `bigram`."""
    typed = st.text_area(
        "Words to learn from", key="own_words", height=68, bind=in_link("own_words"), persist_state="session",
        placeholder="Empty: the first names that ship with Loupe. Or paste words of your own, of any language.",
        help="The model learns which letter follows which in these words, each as often as it comes, in small letters. "
        "The names that ship are some 1,700 that are in use and 3,200 that were put together from stems and endings.",
    )  # fmt: skip
    place_in_link("own_words", "words")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.slider(
            "Steps of training", 0, ENOUGH, ENOUGH, key="training_steps", bind="query-params", width=360,
            help="Drag it to the left to see the model before it has learned, and watch it learn.",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 10_000, 0, key="seed", bind="query-params", width=140,
            help="The random numbers that training begins with, and that letters are drawn by.",
        )  # fmt: skip
    return {"words": typed.strip(), "seed": seed, "steps": steps}


def letter(rows: list[str]) -> str:
    """The letter whose row is looked at: a field, which a click on a grid fills too."""
    return _letter("Look at what follows", rows, "letter", START)


def pick_letter(key: str) -> Any:
    """What a grid of letters calls when a cell is clicked."""

    def pick() -> None:
        for point in st.session_state[key].selection.get("cell", []):
            st.session_state["letter"] = point["letter"]

    return pick


def part(rows: list[str], columns: list[str]) -> dict[str, Any]:
    """What is taken out, and how boldly is written, as settings of `bigram_ablation`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cut = address.choose(words.BIGRAM_CUT, st.selectbox, "Take out", width=240)
        of = END
        if cut != "nothing":
            names = columns if cut == "column" else rows
            of = _letter("Of", names, "cut_letter", names[0])
        temperature = st.slider(
            "Temperature", 0.0, 2.0, 1.0, 0.1, key="temperature", bind="query-params", width=220,
            help="1 draws by the model's own chances, less than 1 prefers the likelier letters, 0 takes the likeliest.",
        )  # fmt: skip
    slots.place("temperature")
    return {"cut": cut, "letter": of, "temperature": temperature}


def _letter(label: str, names: list[str], key: str, usual: str) -> str:
    """One of these; a former choice that is not among them is forgotten."""
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    return st.selectbox(label, names, names.index(usual), key=key, bind="query-params", width=180, format_func=literal)
