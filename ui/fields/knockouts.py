"""Fields for what is knocked out, what takes its place, and what is out throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.saes import loading as saes
from ui import address, slots, words
from ui.compute import Answer, compute
from ui.fields import cut, selection
from ui.fields.sites import pick_site
from ui.inputs import Inputs, in_link, place_in_link

KEPT, KNOWN = "also", "_components"
NUMBERS = ("neuron", "feature")  # what is one number each, and can be set to one
HELP = {
    "mode": "Its average over other text keeps the model in its usual range. Another prompt's value is a swap. Zero "
    "is the harshest: it can break the model for reasons of its own. A number of yours sets a feature or neuron to "
    "that activation at every token.",
    "set_to": "What the activation is set to at every token, in the units that the pages Features and Neurons show.",
    "also": "Parts that stay knocked out in every run: what else breaks, or takes over, shows in the chart. Click a "
    "part in the chart and keep it out, or type L3H0 (a head), MLP 2, attention 1, L2N17 (a neuron of layer 2), L2P4 "
    "(token 4 before layer 2), feature 115, or L2H3@8→2 (what head 3 of layer 2 reads of token 2 from token 8; "
    "attention@8→2 in all layers).",
    "neuron": "One neuron of the layer's MLP. Empty means the one that matters most.",
    "feature": "One feature of the sparse autoencoder. Empty means the one that matters most.",
    "token": "One token, by its position. Empty means the place that matters most.",
    "layer": "A block of the model, counted from 0. Empty means the one that matters most.",
}


@dataclass(frozen=True)
class Knockouts:
    """What the fields say: `settings` of the ablation over all components of a kind, and the `part` looked at.

    `part` is a component's name, or None for the one that matters most; `alone` are the settings of the ablation over
    that one only.
    """

    settings: dict[str, Any]
    part: str | None
    alone: dict[str, Any]

    @property
    def site(self) -> str:
        return self.settings["site"]

    @property
    def how(self) -> dict[str, Any]:
        """The settings that the text shares."""
        shared = ("mode", "reference", "set_to", "sae")
        return {name: self.settings[name] for name in shared if name in self.settings}

    def one_of(self, result: Any) -> dict[str, Any]:
        """The settings of the ablation over the part looked at, or over the one that matters most in `result`."""
        if self.part is not None and self.part not in result.also:
            return self.alone
        return self.settings | result.settings_of(result.strongest)


def fields(inputs: Inputs) -> Knockouts:
    """Draw the fields; each has a place below it for a sentence about its value."""
    entries = [entry.name for entry in saes.available(inputs.model) if not entry.refused]
    sites = [site for site in words.KNOCKED_OUT if entries or site != "feature"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        site = address.choose(words.KNOCKED_OUT, st.segmented_control, "Knock out", among=sites, required=True)
        modes = words.FEATURE_IN_ITS_PLACE if site == "feature" else words.IN_ITS_PLACE
        among = [mode for mode in modes if mode != "set" or site in NUMBERS]
        mode = "zero"
        if site not in cut.SITES:  # what is no longer read has nothing in its place
            mode = address.choose(modes, st.selectbox, "Put in its place", among=among, width=200, help=HELP["mode"])
        set_to = _set_to() if mode == "set" else None
    slots.place("site")
    slots.place("mode", modes.key)
    slots.place("set_to")
    narrowed, part, chosen, sae = _which(inputs, site, entries)
    kept = _kept(inputs.model, "Keep knocked out as well", "nothing else")
    slots.place("also")
    reference = _reference() if mode in ("mean", "resample") else ""
    settings = {"site": site, "mode": mode, "reference": reference, "sae": sae, "also": tuple(kept)}
    settings |= {} if set_to is None else {"set_to": set_to}
    return Knockouts(settings | narrowed, part, settings | chosen)


def both_runs(model: str) -> dict[str, Any]:
    """What is out of both runs of a pair of prompts, for a page on which nothing is knocked out one by one."""
    kept = _kept(model, "Keep knocked out in both runs", "nothing")
    slots.place("without", KEPT)
    if not kept:
        return {}
    among = [mode for mode in words.IN_ITS_PLACE if mode != "set"]
    mode = address.choose(
        words.IN_ITS_PLACE, st.selectbox, "Put in their place", among=among, width=200, help=HELP["mode"]
    )
    return {"without": tuple(kept), "mode": mode, "reference": _reference() if mode != "zero" else ""}


def _kept(model: str, label: str, empty: str) -> list[str]:
    return st.multiselect(
        label, _options(model), key=KEPT, bind="query-params", accept_new_options=True, placeholder=empty,
        help=HELP["also"],
    )  # fmt: skip


def _set_to() -> float:
    return st.number_input(
        "Set to", value=0.0, step=1.0, format="%g", key="set_to", bind="query-params", width=140, help=HELP["set_to"]
    )


def _reference() -> str:
    with st.expander("Where the average or the swap comes from"):
        text = st.text_area(
            "Prompts, one per line (empty: eight everyday sentences)", key="reference", height=70,
            bind=in_link("reference"), persist_state="session",
        )  # fmt: skip
    place_in_link("reference")
    return text


def _which(
    inputs: Inputs, site: str, entries: list[str]
) -> tuple[dict[str, Any], str | None, dict[str, Any], str | None]:
    """Fields for which one: what narrows the sweep, which component is looked at and its numbers, and the SAE."""
    sae = None
    if site in cut.SITES:
        narrowed, part, chosen = cut.cut_fields(inputs, site)
        _places()
        return narrowed, part, chosen, sae
    if site == "head":
        layer, head = selection.head_choice("strongest")
        _places()
        part = None if head is None else f"L{layer}H{head}"
        return {"layer": layer if head is None else None}, part, {"layer": layer, "head": head}, sae
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if site == "feature":
            sae = pick_site(st.container(), entries)
            feature = _number("feature", "Feature")
            part = None if feature is None else f"feature {feature}"
            narrowed: dict[str, Any] = {}
            chosen: dict[str, Any] = {"feature": feature}
        else:
            layer = _number("layer", "Layer")
            narrowed, part, chosen = {}, None, {"layer": layer}
            if site == "neuron":
                layer = _telling_layer(inputs) if layer is None else layer
                narrowed, neuron = {"layer": layer}, _number("neuron", "Neuron")
                part = None if neuron is None else f"L{layer}N{neuron}"
                chosen = {"layer": layer, "neuron": neuron}
            elif site == "position":
                token = _number("token", "Token")
                part = None if layer is None or token is None else f"L{layer}P{token}"
                chosen = {"layer": layer, "token": token}
            elif layer is not None:
                part = f"{'MLP' if site == 'mlp_out' else 'attention'} {layer}"
    _places()
    return narrowed, part, chosen, sae


def _places() -> None:
    slots.place("layer")
    slots.place("without")


def _number(key: str, label: str) -> int | None:
    return st.number_input(
        label, 0, value=None, step=1, key=key, bind="query-params", placeholder="strongest", width=140, help=HELP[key]
    )


def _telling_layer(inputs: Inputs) -> int:
    """The layer whose MLP matters most to the answer."""
    ablation = compute("ablation", inputs.model, **inputs.asking, site="mlp_out").result
    return ablation.component_layers[ablation.strongest]


def _options(model: str) -> list[str]:
    """Components that can be kept out: those of the last chart, and those that are."""
    known = st.session_state.get(KNOWN, {}).get(model, ())
    return list(dict.fromkeys([*known, *st.session_state.get(KEPT, ())]))


def remember(answer: Answer) -> None:
    """The chart's components are what the field offers next."""
    st.session_state.setdefault(KNOWN, {})[answer.result.model] = answer.result.components


def keep(part: str) -> None:
    """Knock a component out throughout: for callbacks."""
    st.session_state[KEPT] = [*st.session_state.get(KEPT, []), part]
    _look_at_strongest()


def put_back(part: str) -> None:
    """The opposite of `keep`."""
    st.session_state[KEPT] = [name for name in st.session_state.get(KEPT, []) if name != part]


def _look_at_strongest() -> None:
    for key in ("layer", "head", "neuron", "feature", "token", "key_pos"):
        if key in st.session_state:
            st.session_state[key] = None
