"""Links from a view that shows to the page that proves, with its fields filled in."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui import address


def prove_it(page: str, what: str, **fields: Any) -> None:
    """A link that says “Prove it: …” and opens `page` with these fields filled in; those that are None stay empty."""
    st.page_link(
        page,
        label=f"Prove it: {what}",
        icon=":material/arrow_forward:",
        query_params=address.link_to(**fields),
    )


def find_texts(**fields: Any) -> None:
    """A link to the texts in which this part of the model fires most, of a file of one's own too."""
    st.page_link(
        "pages/look/max_activating.py",
        label="Find the texts in which it is strongest, in a file of your own too",
        icon=":material/find_in_page:",
        query_params=address.link_to(**fields),
    )
