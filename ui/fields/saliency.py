"""What the page of words asks: which parts of the prompt, what takes their place, what is shared out, how exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from mi_core.saliency.methods import APPROXIMATE, METHODS
from ui import address, slots, words
from ui.fields.second_prompt import ask_for_it, second_prompt
from ui.inputs import Inputs

_PART = "_part"
NUMBERS = {
    "n_steps": (
        "Steps of the integral",
        64,
        "Doubled until the row sums to what is shared out; 512 at most.",
    ),
    "window": ("Parts per span", 3, "So many neighbouring parts are taken away together by span occlusion."),
    "permutations": (
        "Random orders",
        None,
        "At most, for Shapley values of more than 10 parts; fewer are exact. Empty: as many as some seconds allow.",
    ),
}


def fields(given: Inputs) -> dict[str, Any]:
    """The settings of `input_attribution` beside the sidebar's; ends the page's run where a second prompt is needed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        players = address.choose(
            words.PLAYERS, st.selectbox, "Take away", width=180,
            help="What is taken away together: each of these is one part.",
        )  # fmt: skip
        baseline = address.choose(
            words.BASELINE, st.selectbox, "Put in its place", width=190,
            help="A part is taken away by replacing what enters the first layer. An average embedding says least; zero "
            "is far from what the model ever reads; another prompt's words ask what the exchange of each one does.",
        )  # fmt: skip
        metric = address.choose(
            words.SHARED_OUT, st.segmented_control, "Share out the", required=True,
            help="With something to compare the answer with, the difference of both. A log-probability may be that of "
            "an answer of several tokens.",
        )  # fmt: skip
        approximations = st.toggle(
            "Approximations", key="approximations", bind="query-params",
            help="KernelSHAP and LIME fit a straight line to 1,000 random choices of parts.",
        )  # fmt: skip
        precision = _numbers()
    slots.place("players")
    typed = {"pattern": _pattern(players), "spans": _spans(players), "baseline_token": _token(baseline)}
    corrupted = second_prompt(given) if baseline == "corrupted" else ""
    if baseline == "corrupted" and not corrupted:
        ask_for_it()
    methods = tuple(method.name for method in METHODS if approximations or method not in APPROXIMATE)
    _ask_for(players, typed)
    return {
        "players": players, "metric": metric, "baseline": baseline, "corrupted": corrupted, "methods": methods,
    } | typed | precision  # fmt: skip


def _ask_for(players: str, typed: dict[str, str]) -> None:
    """Say what to type, and end the page's run, where there is nothing yet."""
    missing = {"regex": ("pattern", "a pattern"), "span": ("spans", "the positions of each part")}
    field, what = missing.get(players, ("", ""))
    if field and not typed[field]:
        st.info(f"Type {what} above: only what you name is taken away.", icon=":material/edit:")
        st.stop()


def may_be_several() -> bool:
    """Whether the answer may be several tokens: where its log-probability is shared out."""
    return words.SHARED_OUT.understood(st.session_state.get(words.SHARED_OUT.key)) == "log_probability"


def pick_part(key: str, prompt: str) -> Callable[[], None]:
    """What the chart calls when a cell is clicked."""

    def pick() -> None:
        for point in st.session_state[key].selection.get("cell", []):
            st.session_state[_PART] = (prompt, int(point["player"]))

    return pick


def part(result: Any, prompt: str) -> Any:
    """The part of this prompt that was clicked last, or else the one that counts most."""
    of, number = st.session_state.get(_PART, ("", 0))
    return result.players[number if of == prompt and number < len(result.players) else result.strongest]


def _numbers() -> dict[str, int | None]:
    with st.popover("Precision", icon=":material/tune:", type="tertiary"):
        chosen = {}
        for name, (label, usual, explained) in NUMBERS.items():
            chosen[name] = st.number_input(
                label, 0, value=usual, key=name, bind="query-params", placeholder="automatic", help=explained
            )
            slots.place(name)
    return chosen


def _pattern(players: str) -> str:
    if players != "regex":
        return ""
    pattern = st.text_input(
        "Pattern", key="pattern", bind="query-params", placeholder=r"[A-Z]\w+",
        help="A regular expression: each match is one part, and what matches nothing stays as it is.",
    )  # fmt: skip
    slots.place("pattern")
    return pattern


def _spans(players: str) -> str:
    if players != "span":
        return ""
    spans = st.text_input(
        "Spans", key="spans", bind="query-params", placeholder="1-3, 5",
        help="Positions of tokens, as above the chips: each range is one part, and the others stay as they are.",
    )  # fmt: skip
    slots.place("spans")
    return spans


def _token(baseline: str) -> str:
    if baseline != "token":
        return ""
    token = st.text_input("Token", key="baseline_token", bind="query-params", placeholder="the", width=200)
    slots.place("baseline_token")
    return token
