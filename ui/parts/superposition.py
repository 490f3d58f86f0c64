"""The superposition lab's parts: a training as it goes, a question before its answer, and what was found."""

from __future__ import annotations

import math
import time
from typing import Any

import streamlit as st

from charts import figures
from mi_core.labs.toy_model import LIMITS
from ui import address, show, slots, words
from ui.components.number_steps import number_steps
from ui.compute import Answer
from ui.fields import selection, toy_model

BETWEEN_SECONDS = 0.4
HOW_STARTS = (
    "The same training from several beginnings. All are equally good at first; some end in a shape from which no small "
    "step leads to a better one. Click one to look at it."
)
HOW_LOSS = (
    "How wrong what comes out is, over the steps of training, on samples that no training saw. Lines that end higher "
    "are stuck."
)
QUESTION = (
    "**Predict first.** Five features, two dimensions. Now let each be present only 5% of the time, so that nearly all "
    "are zero at any moment. How many of the five will fit?"
)


class Live:
    """The picture while it is trained: of the first start, since nobody knows yet which will be the best."""

    def __init__(self) -> None:
        self._place, self._drawn = st.empty(), -math.inf

    def update(self, result: Any) -> None:
        """Draw what there is so far; not too often, since drawing takes time from the training."""
        if time.monotonic() - self._drawn >= BETWEEN_SECONDS:
            show.glimpse(self._place, result, figures.superposition, slider=False, start=1)
            self._drawn = time.monotonic()

    def finish(self) -> None:
        """Make room for the finished one."""
        self._place.empty()


def question(answer: Answer, settings: dict[str, Any]) -> None:
    """Ask for a prediction; once it is made, train that very model and put both side by side."""
    with st.container(border=True):
        st.markdown(QUESTION)
        guess = address.choose(
            words.FIT_GUESS, st.segmented_control, "How many fit?", label_visibility="collapsed", on_change=_reveal
        )
        if guess is not None and toy_model.is_sparse(settings):
            fit = answer.result.kept
            right = "As you said" if int(guess) == fit else f"You said {guess}"
            st.markdown(
                f"{right}: **{fit} fit.** Two features are hardly ever there at once, so the model can afford that "
                "they get in each other's way."
            )


def _reveal() -> None:
    if st.session_state.get(words.FIT_GUESS.key) is not None:
        toy_model.take(toy_model.SPARSE)


def start_field(answer: Answer) -> int:
    """Which start is looked at, counted from 1: the best unless another is chosen."""
    result = answer.result
    n_starts, best = len(result.W), result.best + 1
    typed = st.number_input(
        "Look at start", 1, LIMITS["starts"][2], value=None, step=1, key="start", bind="query-params", width=180,
        placeholder=f"{best}, the best", help="One of the beginnings. Empty: the one with the lowest loss.",
    )  # fmt: skip
    slots.place("start")
    start = int(typed) if typed is not None and typed <= n_starts else best
    if typed not in (None, start):
        slots.note("start", f"There are starts 1 to {n_starts}; showing {start}.")
    number_steps("start", {"start": best}, low=1, high=n_starts)
    return start


def starts(answer: Answer) -> None:
    """How every start ended."""
    if "path" in show.tables(answer):
        show.chart(
            answer, figures.superposition_starts, key="ends", how=HOW_STARTS, table="starts",
            on_select=selection.pick_fields("ends", "start", ("start",)),
        )  # fmt: skip
    with st.expander("The loss of each start"):
        show.chart(answer, figures.superposition_losses, key="losses", how=HOW_LOSS, table="losses")


def hidden_field(answer: Answer) -> int:
    """Which dimension is looked at, counted from 1."""
    n_hidden = answer.result.W.shape[1]
    typed = st.number_input(
        "Dimension", 1, LIMITS["n_hidden"][2], 1, step=1, key="hidden", bind="query-params", width=140,
        help="One of the numbers that carry the features: what a neuron is in a larger model.",
    )  # fmt: skip
    slots.place("hidden")
    if typed > n_hidden:
        slots.note("hidden", f"There are dimensions 1 to {n_hidden}; showing 1.")
    return int(typed) if typed <= n_hidden else 1
