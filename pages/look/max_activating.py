"""Texts: in which texts of a file one part of the model fires most."""

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields.text_search import own_texts
from ui.fields.unit import unit
from ui.parts.found_texts import found_texts, onwards
from ui.prompt import header, prompt
from ui.text import literal

HOW = (
    "Every token that was read is in one bar: how far to the right says how large the activation is there, the height "
    "how many tokens have one like it. Each line upwards is ten times as many. Most parts of a model are quiet nearly "
    "everywhere, and a few tokens on the far right are the ones below. Those at random show what is usual."
)
header("Texts", "In which texts does a feature, a neuron, a head or a direction fire most?")
chosen = prompt()
asked = unit(chosen)
file = own_texts()
place = st.empty()


def draw(result) -> None:
    """What there is so far."""
    with place.container():
        st.markdown(f"**So far: {literal(result.reading().title)}**")
        found_texts(result)


answer = compute("max_activating", chosen.model, on_partial=draw, ask_first=bool(file), file=file, **asked)
place.empty()
show.finding(answer)
found_texts(answer.result)
show.chart(answer, figures.max_activating, key="histogram", how=HOW, table="texts")
onwards(asked, answer.result)
