"""The top of every page: what it asks, and the prompt as the model reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from mi_core.models.tokens import Tokens, visible
from ui import address, belonging, inputs, link, projector, slots
from ui.components.number_steps import number_steps
from ui.components.token_chips import Chip, token_chips
from ui.compute import compute
from ui.drawn import drawn
from ui.glossary import on_page
from ui.parts.lost import show_lost
from ui.parts.pieces import begins_word
from ui.text import literal


def header(title: str, question: str) -> None:
    """The page's name and its words, the question it answers, and what its link asks for in vain."""
    with st.container(horizontal=True, vertical_alignment="center", wrap=False):
        st.title(title, anchor=False)
        on_page.draw(address.page())
        link.button()
        projector.switch()
    st.markdown(literal(question))
    address.show_remarks()


def prompt(*, several: bool = False) -> inputs.Inputs:
    """Check the inputs, show the prompt as clickable tokens, and return the inputs with a position that exists.

    With `several` the answers may be several tokens, which the page's own analysis looks at.

    Ends the page's run with a sentence beside the field if an input cannot be used.
    """
    given = inputs.current()
    target, foil = (None, None) if several else (given.target, given.foil)
    found = compute("tokens", given.model, **given.reading, target=target, foil=foil).result
    for text in found.notes:
        slots.note("prompt", text)
    if given.prompt != given.prompt.rstrip():
        slots.offer("prompt", "Take it away", given.prompt.rstrip())
    for field, typed, meant in (("target", given.target, found.target_text), ("foil", given.foil, found.foil_text)):
        if typed and meant is not None and visible(meant) != typed:
            slots.note(field, f"read as “{visible(meant)}”")
    n = len(found.tokens)
    pos = given.pos if given.pos is not None and -n <= given.pos < n else None
    if given.pos is not None and pos is None:
        slots.note("pos", f"This prompt has positions 0 to {n - 1}; showing the last.")
    selected = n - 1 if pos is None else pos % n
    number_steps("pos", {"pos": n - 1}, high=n - 1)
    token_chips(drawn(found, _chips), selected=selected, key="chips", on_pick=inputs.set_position)
    belonging.show_kept(address.fields())
    show_lost(found.familiarity)
    return replace(given, pos=pos)


def _chips(result: Any) -> list[Chip]:
    tokens: Tokens = result.tokens
    rows = enumerate(zip(tokens.ids, tokens.texts, tokens.special, strict=True))
    return [
        Chip(
            text=visible(text),
            pos=pos,
            begins=begins_word(tokens, pos),
            special=special,
            value=None,
            tooltip=f"token {pos}, id {token_id}",
        )
        for pos, (token_id, text, special) in rows
    ]
