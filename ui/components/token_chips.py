"""The prompt as one scrolling row of chips, one per token; a click chooses a position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import streamlit as st

_HERE = Path(__file__)
_component = st.components.v2.component(
    "loupe_token_chips",
    html='<div class="chips"><div class="row" role="listbox" aria-orientation="horizontal"></div>'
    '<button class="view" hidden title="Show the pieces of a word together">words</button></div>',
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


class Chip(TypedDict):
    """One token: visible text, position, whether a word begins there or it goes on with one, whether it is special, a
    tint from 0 to 1 or None, and a tooltip.
    """

    text: str
    pos: int
    begins: bool
    special: bool
    value: float | None
    tooltip: str


def token_chips(
    tokens: Sequence[Chip],
    selected: int,
    key: str,
    *,
    on_pick: Callable[[int], None] | None = None,
    label: str = "Tokens of the prompt",
) -> int | None:
    """Draw the chips; return the position that was picked in this run, or None.

    Click, Enter or Space picks; arrow keys, Home and End move. The row keeps the chosen token in sight. Where words are
    read in pieces, a button shows them together, and the browser remembers that. Prompts of more than 1,000 tokens fold
    in the middle.

    Args:
        tokens: The chips, in order.
        selected: Position that is marked as chosen.
        key: Name of this part on its page.
        on_pick: Called with the picked position before the page runs again.
        label: What the row is, for screen readers.
    """

    def picked() -> None:
        pos = st.session_state[key].get("picked")
        if pos is not None and on_pick is not None:
            on_pick(int(pos))

    data = {"tokens": list(tokens), "selected": int(selected), "label": label}
    result = _component(data=data, key=key, on_picked_change=picked)
    return None if result.picked is None else int(result.picked)
