"""Choosing one neuron: from fields, from a click on a chart, from the URL."""

from __future__ import annotations

import streamlit as st

from ui import address, slots
from ui.components.number_steps import number_steps
from ui.compute import Answer, compute
from ui.inputs import Inputs

HELP = {
    "layer": "A block of the model, counted from 0. Empty means that of the strongest neuron.",
    "neuron": "One neuron of that layer, counted from 0. Empty means the strongest one.",
}


def neuron_choice(inputs: Inputs, ranked: Answer) -> tuple[int, int]:
    """Fields for layer and neuron; the strongest there is where they are empty.

    Args:
        inputs: What is asked.
        ranked: Answer of the `neurons` analysis over all layers.
    """
    address.carry("layer", "neuron")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = _number("layer", int(ranked.result.neuron_layers[0]))
        there = compute("neurons", inputs.model, **inputs.asking, layer=layer, top_k=1).result
        neuron = _number("neuron", int(there.neuron_ids[0]))
    number_steps("neuron", {"layer": layer, "neuron": neuron})
    return layer, neuron


def _number(key: str, strongest: int) -> int:
    given = st.number_input(
        key.capitalize(), 0, value=None, step=1, key=key, bind="query-params", placeholder=f"strongest: {strongest}",
        width=190, help=HELP[key],
    )  # fmt: skip
    slots.place(key)
    return strongest if given is None else given
