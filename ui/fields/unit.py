"""The part of the model that texts are searched for: a feature, a neuron, a head or a direction."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.directions.spec import DirectionSpec, read
from mi_core.saes import loading as saes
from ui import address, slots, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import directions
from ui.fields.neuron import neuron_choice
from ui.fields.sites import pick_site
from ui.inputs import Inputs
from ui.parts.head_views import chosen_head


def unit(given: Inputs) -> dict[str, Any]:
    """Draw the choice and the fields of what is chosen: settings of `max_activating`.

    Where its fields are empty it is the one that matters most for the prompt.
    """
    hooks = [entry.name for entry in saes.available(given.model) if not entry.refused]
    kind = address.choose(
        words.UNIT, st.segmented_control, "Find texts for", required=True,
        among=[kind for kind in words.UNIT if hooks or kind != "feature"],
    )  # fmt: skip
    return {"unit": kind} | (_feature(given, hooks) if kind == "feature" else OF_KIND[kind](given))


def _feature(given: Inputs, hooks: list[str]) -> dict[str, Any]:
    site, field = st.columns([3, 1], vertical_alignment="bottom")
    sae = pick_site(site, hooks)
    there = compute("features", given.model, **given.reading, pos=given.pos, sae=sae).result
    strongest = max(int(there.feature_ids[there.pos][0]), 0)  # at the start token there is none
    number = field.number_input(
        "Feature", 0, value=None, step=1, key="feature", bind="query-params",
        placeholder=f"strongest here: {strongest}",
        help="Its number. Empty means the strongest on the chosen token of the prompt.",
    )  # fmt: skip
    number_steps("feature", {"feature": strongest}, high=there.d_sae - 1)
    slots.place("feature")
    return {"sae": sae, "feature": strongest if number is None else number}


def _neuron(given: Inputs) -> dict[str, Any]:
    layer, neuron = neuron_choice(given, compute("neurons", given.model, **given.asking))
    return {"layer": layer, "neuron": neuron}


def _head(given: Inputs) -> dict[str, Any]:
    layer, head = chosen_head(given)
    return {"layer": layer, "head": head}


def _direction(given: Inputs) -> dict[str, Any]:
    hooks = [entry.name for entry in saes.available(given.model) if not entry.refused]
    kind = address.choose(
        words.ALONG, st.selectbox, "The direction is", among=directions.offered(hooks, words.ALONG), usual="contrast",
        width=260,
    )  # fmt: skip
    asked = directions.fields(kind, given.model, hooks) | {"layer": directions.layer_field()}
    return {"direction": read(DirectionSpec, asked).text}


OF_KIND = {"neuron": _neuron, "head": _head, "direction": _direction}
