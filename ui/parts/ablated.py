"""One knocked-out part looked at closely: its numbers, what the model then writes, and keeping it out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.phrases import listed, percent, signed
from ui import show
from ui.compute import Answer, compute
from ui.fields import knockouts
from ui.fields.knockouts import Knockouts
from ui.inputs import Inputs
from ui.text import literal

HOW_TEXT = (
    "The model goes on from the prompt, always with its likeliest token: on the left with everything in place, on the "
    "right with the parts knocked out, in the prompt and in every token it writes. Knocked-out tokens are out in the "
    "prompt only."
)


def closer(inputs: Inputs, knocked: Knockouts, answer: Answer) -> None:
    """Show the chosen part, or else the set that is kept out, or else the part that matters most.

    Args:
        inputs: The sidebar's values.
        knocked: The page's fields.
        answer: The ablation over all components.
    """
    result = answer.result
    part = knocked.part
    if part is None and not result.also:
        part = result.components[result.strongest]
    without = tuple(dict.fromkeys([*result.also, *([part] if part else [])]))
    title, button = st.container(), st.container()
    texts = _Texts(without)
    ablated_text = compute(
        "ablated_text", inputs.model, **inputs.reading, without=without, **knocked.how, on_partial=texts.update
    )
    texts.update(ablated_text.result.texts)
    with title:
        st.header(literal(ablated_text.result.reading().title), anchor=False)
        if part in result.components:
            st.markdown(literal(_numbers(result, result.components.index(part))))
        elif part is not None and knocked.site == "feature":
            st.markdown(literal(f"{part.capitalize()} is not active on this prompt: nothing is there to knock out."))
    with button:
        _keep_button(part, result.also)
    show.footer(ablated_text, key="texts", how=HOW_TEXT, table="texts")


def _keep_button(part: str | None, kept: tuple[str, ...]) -> None:
    if part is None:
        return
    if part in kept:
        st.button(f"Put {part} back", key="put-back", icon=":material/undo:", on_click=knockouts.put_back, args=(part,))
    else:
        st.button(
            f"Keep {part} knocked out",
            key="keep",
            icon=":material/content_cut:",
            on_click=knockouts.keep,
            args=(part,),
            help="The chart then shows what each further knockout does, given this one: parts that had nothing to do "
            "may now matter, because they stand in.",
        )


def _numbers(result: Any, index: int) -> str:
    """What the knockout does, in one sentence with all three measures."""
    before = "with everything in place" if not result.also else f"with {listed(list(result.also))} out"
    return (
        f"Without {result.said(index)}, the {result.target.quantity} goes from {signed(result.baseline)} ({before}) to "
        f"{signed(float(result.value[index]))}, the probability from {percent(result.baseline_probability)} to "
        f"{percent(float(result.probability[index]))}; all next-token probabilities move by "
        f"{float(result.kl[index]):.2f} bits (KL divergence)."
    )


class _Texts:
    """Two boxes that fill while the model writes."""

    def __init__(self, without: tuple[str, ...]) -> None:
        left, right = st.columns(2)
        with left:
            st.markdown("**With everything in place**")
            self._plain = st.empty()
        with right:
            st.markdown(literal(f"Without {listed(list(without))}").join(("**", "**")))
            self._out = st.empty()

    def update(self, texts: tuple[str, str]) -> None:
        """Show what is written so far."""
        for place, text in zip((self._plain, self._out), texts, strict=True):
            place.code(text or " ", language=None, wrap_lines=True)
