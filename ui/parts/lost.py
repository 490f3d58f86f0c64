"""What to do where the model does not know a prompt's words: prompts like it that it knows, and one that knows more."""

from __future__ import annotations

import streamlit as st

from mi_core.models import catalogue
from mi_core.text.familiarity import Familiarity
from ui import belonging
from ui.text import literal

KNOWS_MORE = "gpt2-small"


def show_lost(familiarity: Familiarity) -> None:
    """One line on how much of the prompt the model can know, and ways out; nothing where it knows it all."""
    said = familiarity.sentence()
    if not said:
        return
    st.warning(literal(said), icon=":material/psychology_alt:")
    if not familiarity.alike:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("It knows:", width="content")
        for number, prompt in enumerate(familiarity.alike):
            st.button(literal(prompt), key=f"alike-{number}", on_click=belonging.bring, args=(prompt,))
        larger = catalogue.find(KNOWS_MORE)
        st.button(
            f"{larger.title} knows more ({larger.download_bytes / 1e9:.1g} GB, once)",
            key="knows-more",
            icon=":material/download:",
            on_click=st.session_state.update,
            args=({"model": larger.id},),
            help=f"{larger.description} It is fetched on first use, takes about {larger.memory_bytes / 1e9:.1g} GB of "
            "memory, and is slower. Your prompt stays.",
        )
