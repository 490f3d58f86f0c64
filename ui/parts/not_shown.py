"""The box that a lab ends in."""

import streamlit as st


def not_shown(*points: str) -> None:
    """What the numbers of this page do not say."""
    with st.container(border=True):
        st.subheader("What this does not show", anchor=False)
        st.markdown("\n".join(f"- {point}" for point in points))
