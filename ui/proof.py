"""Links from a view that shows to the page that proves, with its fields filled in.

Streamlit drops a link's value for a field that the page it leaves has too. So values travel under a name of their
own, and are put into the fields before these are drawn.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

# The fields a link may fill, and what their values are.
FIELDS = {"site": str, "layer": int, "head": int, "neuron": int, "feature": int, "token": int, "sae": str}
PREFIX, ARRIVED = "to-", "_arrived"


def prove_it(page: str, what: str, **fields: Any) -> None:
    """A link that says “Prove it: …” and opens `page` with these fields filled in; those that are None stay empty."""
    st.page_link(
        page,
        label=f"Prove it: {what}",
        icon=":material/arrow_forward:",
        query_params={PREFIX + name: str(value) for name, value in fields.items() if value is not None},
    )


def arrive() -> None:
    """Fill the page's fields with what a link brought: call before the first of them is drawn.

    The link's own words stay in the address until the next run of the page, so that the address shows the same
    picture to others; only then can the fields' own be written there, which assigning does.
    """
    given = {name: st.query_params.get(PREFIX + name, "") for name in FIELDS}
    brought = {name: FIELDS[name](text) for name, text in given.items() if text.isdecimal() or FIELDS[name] is str}
    brought = {name: value for name, value in brought.items() if value != ""}
    before = st.session_state.pop(ARRIVED, None)
    if brought and before != brought:
        st.session_state.update(brought)
        st.session_state[ARRIVED] = brought
        return
    for name in brought:
        del st.query_params[PREFIX + name]
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]
