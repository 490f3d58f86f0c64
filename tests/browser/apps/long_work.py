"""A page that runs an analysis as every page does; this one writes forever, a word at a time."""

import time

import streamlit as st

import mi_core.analyses.steering as steering
from ui import frame, inputs, slots
from ui.compute import compute


def endless(model, prompt: str, *, progress=None) -> steering.Steering:
    """Long work: reports a word every tenth of a second, until somebody stops it."""
    for step in range(10_000):
        progress(step, 10_000, ("plain", "word " * step))
        time.sleep(0.1)


steering.steering = endless
st.set_page_config(layout="wide")
st.html(frame.SCRIPTS, unsafe_allow_javascript=True)
slots.clear()
inputs.sidebar()
st.title("Long work")
text = st.empty()
compute("steering", "loupe-mini", prompt=st.session_state["prompt"], on_partial=lambda partial: text.text(partial[1]))
st.header("It ended")
