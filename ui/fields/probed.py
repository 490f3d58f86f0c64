"""A direction that a probe of labelled texts finds: which texts, and which of their classes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from mi_core.errors import InputError
from mi_core.probing.labelled import SHIPPED, named
from ui import address, slots, words

_OWN = "_probed_own"


def key_of(file: str) -> str:
    """What a direction's words call the texts of this file: a set that ships, or one's own by their key."""
    return file if file in SHIPPED else Path(file).parent.name


def remember(file: str) -> None:
    """A person's own texts are offered too, wherever directions are chosen."""
    st.session_state[_OWN] = key_of(file)


def probe_fields(number: str = "") -> dict[str, Any]:
    """The class that the direction leads to."""
    key = f"probe{number}"
    asked = (st.session_state.get(key) or st.query_params.get(key) or "").partition("/")[0]
    own = dict.fromkeys(one for one in (st.session_state.get(_OWN, ""), asked) if one and one not in SHIPPED)
    choices = [choice for texts in (*SHIPPED, *own) for choice in _classes(texts)]
    chosen = address.choose(
        words.Options(key, tuple(choices)), st.selectbox, "Texts and class", width=320,
        help="A linear probe learns to tell these texts apart, at the layer where the direction acts; the direction is "
        "where it finds this class. Your own texts are offered once you have opened them on the page Probing.",
    )  # fmt: skip
    slots.place(f"direction{number}", key)
    return {"direction": f"probe:{chosen}"}


def _classes(texts: str) -> list[words.Word]:
    """A choice for each class; none of texts that are not on this computer."""
    with suppress(InputError):
        held, own = named(texts), texts not in SHIPPED
        return [words.Word(f"{texts}/{label}", f"{'your texts' if own else texts}: {label}") for label in held.classes]
    return []
