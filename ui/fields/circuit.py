"""Walking a circuit backwards: which head receives, who sends to it, and the way there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from mi_core.interventions.place import HEAD
from ui import address, slots, words
from ui.text import literal

ANSWER, SENDER = "logits", "sender"


def receiver_fields() -> dict[str, str]:
    """Fields for the receiver: the answer, or a head and which of its inputs."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            "Who receives",
            key="receiver",
            bind="query-params",
            placeholder="the answer",
            width=170,
            help="Empty for the answer itself, or a head such as L3H0 (layer 3, head 0).",
        )
        receiver = typed.strip() or ANSWER
        through = "auto"
        if receiver.lower() != ANSWER:
            through = address.choose(
                words.RECEIVED,
                st.segmented_control,
                "Through its",
                required=True,
                help="A head compares its queries with the keys of earlier tokens to decide where to look, and passes "
                "on the values it finds there.",
            )
    slots.place("receiver")
    return {"receiver": receiver, "input": through}


def way_here(receiver: str) -> None:
    """The receivers passed on the way to this one, each to go back to."""
    passed = _passed(receiver)
    if not passed:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for step, name in enumerate(passed):
            st.button(
                _named(name), key=f"back-{step}", type="tertiary", icon=":material/arrow_back:", on_click=_receive,
                args=(name, passed[:step]), help=f"Back to who sends to {_named(name)}",
            )  # fmt: skip
        st.caption(f"now: who feeds {literal(receiver)}", width="content")


def pick_sender(key: str) -> Callable[[], None]:
    """What a chart of senders calls when a head is clicked."""

    def pick() -> None:
        for point in st.session_state[key].selection.get("head", []):
            st.session_state[SENDER] = f"L{int(point['layer'])}H{int(point['head'])}"

    return pick


def onwards(result: Any) -> str:
    """The next step back: make the clicked sender, or else the strongest, the receiver; or see what it reads.

    Returns:
        The sender that was clicked or typed; empty where there is none.
    """
    strongest = result.components[int(np.abs(result.moved).argmax())]
    typed = st.text_input(
        "One sender", key=SENDER, bind="query-params", placeholder=f"strongest: {strongest}", width=170,
        help="The head that the next step is about: click one in the chart, or type its name, such as L2H1.",
    )  # fmt: skip
    slots.place(SENDER)
    sender = _spelled(typed, result)
    name = sender or strongest
    if typed.strip() and not sender:
        slots.note(SENDER, f"No head of this chart is called “{typed.strip()[:40]}”: showing the strongest, {name}.")
    layer, head = name[1:].split("H")
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        if layer != "0":
            st.button(
                f"Who feeds {name}?",
                key="walk",
                type="primary",
                icon=":material/undo:",
                on_click=_receive,
                args=(name, [*_passed(result.receiver), result.receiver]),
                help=f"Make {name} the receiver. Click another head in the chart to choose that one.",
            )
        st.page_link(
            "pages/look/attention.py",
            label=f"See which tokens {name} reads",
            icon=":material/arrow_forward:",
            query_params={"layer": layer, "head": head},
        )
    if layer == "0":
        st.caption(f"{name} is in the first layer: no head comes before it, it reads the tokens themselves.")
    return sender


def _spelled(typed: str, result: Any) -> str:
    """A sender as the result spells it; empty where it has none of that name."""
    numbers = HEAD.kind.understand(typed)
    name = "" if numbers is None else HEAD.kind.spell(**numbers)
    return name if name in result.components else ""


def _passed(receiver: str) -> list[str]:
    """What was passed on the way to `receiver`; one that was typed is a step from the answer."""
    if receiver.lower() == ANSWER:
        return []
    here, passed = st.session_state.get("walked", ("", []))
    return passed if here == receiver else [ANSWER]


def _receive(name: str, passed: list[str]) -> None:
    st.session_state["receiver"] = "" if name == ANSWER else name
    st.session_state[words.RECEIVED.key] = "auto"
    st.session_state["walked"] = (name, passed)
    st.session_state[SENDER] = ""


def _named(receiver: str) -> str:
    return "the answer" if receiver.lower() == ANSWER else literal(receiver)
