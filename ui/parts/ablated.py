"""One knocked-out part looked at closely: its numbers, what the model then writes, and keeping it out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.ablation.replacement import without as said_without
from mi_core.phrases import bits, goes, listed, percent, signed
from ui import show
from ui.compute import Answer, attempt, compute
from ui.fields import knockouts
from ui.fields.knockouts import Knockouts
from ui.inputs import Inputs
from ui.text import literal

HOW_TEXT = (
    "The model goes on from the prompt, always with its likeliest token: on the left with everything in place, on the "
    "right with the parts knocked out, in the prompt and in every token it writes. Knocked-out tokens are out in the "
    "prompt only."
)


def finding(inputs: Inputs, knocked: Knockouts, answer: Answer) -> None:
    """What the chosen part does, and then which matters most; that alone where no part is chosen.

    Args:
        inputs: The sidebar's values.
        knocked: The page's fields.
        answer: The ablation over all components.
    """
    alone = None
    if knocked.part is not None and knocked.part not in answer.result.also:
        alone = attempt("ablation", inputs.model, **inputs.asking, **knocked.alone)
    show.finding(alone or answer)
    if alone:
        st.markdown(literal(f"{answer.result.reading().title}."))


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
    texts = _Texts(without, result.set_to)
    ablated_text = compute(
        "ablated_text", inputs.model, **inputs.reading, without=without, **knocked.how, on_partial=texts.update
    )
    texts.update(ablated_text.result.texts)
    with title:
        st.header(literal(ablated_text.result.reading().title), anchor=False)
        if part in result.components:
            st.markdown(literal(_numbers(result, result.components.index(part))))
        elif part is not None and knocked.site == "feature" and result.mode == "zero":
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
    said = said_without(result.said(index), result.set_to)
    said = f"With {listed(list(result.also))} {result.state}, {said}" if result.also else said[0].upper() + said[1:]
    return (
        f"{said}, the {result.target.quantity} "
        f"{goes(result.baseline, result.value[index], signed)}, the probability "
        f"{goes(result.baseline_probability, result.probability[index], percent)}; all next-token probabilities move "
        f"by {bits(float(result.kl[index]))} (KL divergence)."
    )


class _Texts:
    """Two boxes that fill while the model writes."""

    def __init__(self, without: tuple[str, ...], set_to: float | None) -> None:
        left, right = st.columns(2)
        with left:
            st.markdown("**With everything in place**")
            self._plain = st.empty()
        with right:
            said = said_without(listed(list(without)), set_to)
            st.markdown(literal(said[0].upper() + said[1:]).join(("**", "**")))
            self._out = st.empty()

    def update(self, texts: tuple[str, str]) -> None:
        """Show what is written so far."""
        for place, text in zip((self._plain, self._out), texts, strict=True):
            place.code(text or " ", language=None, wrap_lines=True)
