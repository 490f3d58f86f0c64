"""The steering page's fields: which directions, how hard, and how the texts are written."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from mi_core.directions.spec import NEGATIVE, POSITIVE
from mi_core.saes import highlights
from mi_core.saes import loading as saes
from ui import address, slots, words
from ui.components.number_steps import number_steps
from ui.fields.probed import probe_fields
from ui.fields.sites import pick_site
from ui.inputs import in_link, place_in_link
from ui.text import literal

STRENGTH_HELP = (
    "In units of the typical length of the model's activations, so that 1 adds a push as long as the thought itself. "
    "0.3 to 0.5 usually keeps the text sensible; negative values push the other way."
)
HELD_HELP = (
    "What the model holds along the direction is set to this, at every token, and all else stays. In units of the "
    "typical length of its activations; 0 takes the direction out."
)
OPERATION_HELP = (
    "Added: the direction is pushed on top of what is there. Held: what is there along the direction is set to the "
    "strength, however much it was; 0 takes it out."
)
CLAMP_HELP = (
    " Clamped: the feature is set to a multiple of its largest activation, however active it would be by itself."
)
TIMES_HELP = (
    "The feature is held at this many times the largest activation it is known to reach, wherever the push acts. 1 is "
    "as strong as it ever is by itself, 0 switches it off, and what else the model thinks is left as it is."
)


def others(model: str) -> tuple[str, ...]:
    """A row for each further direction, and one to add the next; what the analysis calls `also`."""
    hooks = [entry.name for entry in saes.available(model) if not entry.refused]
    specs = []
    for number, sources in enumerate(words.FURTHER_SOURCES, 2):
        kind = address.choose(
            sources, st.selectbox, "Add another direction" if number == 2 else f"Direction {number}",
            among=offered(hooks, sources), index=None, width=260, placeholder="none",
            help="Up to four directions, each with its own strength and layer, are summed in one run.",
        )  # fmt: skip
        if kind is None:
            break
        with st.container(border=True):
            settings = fields(kind, model, hooks, str(number))
            slider, layer = st.columns([4, 1], vertical_alignment="bottom")
            held = st.toggle(
                "Hold, not add", key=f"hold{number}", bind="query-params", help=HELD_HELP,
            )  # fmt: skip
            settings["operation"] = "hold" if held else None
            with slider:
                settings["strength"] = strength(str(number), held=held)
            with layer:
                settings["layer"] = layer_field(str(number))
        specs.append(json.dumps({name: value for name, value in settings.items() if value is not None}))
    slots.place("also")
    return tuple(specs)


def strength(number: str = "", *, held: bool = False) -> float:
    """How hard to push, or where the component is held, in units of the mean residual norm."""
    which = f"direction {number}" if number else "it"
    label = f"Hold {which} at" if held else f"Strength of {which}" if number else "Strength"
    value = st.slider(
        label, -2.0, 2.0, 0.5, 0.05,
        key=f"strength{number}", bind="query-params", help=HELD_HELP if held else STRENGTH_HELP,
    )  # fmt: skip
    slots.place(f"strength{number}")
    return value


def times() -> float:
    """What a feature is clamped to, in units of its largest activation."""
    value = st.slider(
        "Times its largest activation", 0.0, 10.0, 1.0, 0.1, key="times", bind="query-params", help=TIMES_HELP
    )
    slots.place("strength")
    return value


def more(is_feature: bool) -> dict[str, Any]:
    """Where and how the push is made, and how the texts are written."""
    with st.expander("Clamp, layer, length and chance"):
        how, where, place = st.columns(3)
        with how:
            operation = address.choose(
                words.OPERATION, st.segmented_control, "The direction is", required=True,
                among=[way for way in words.OPERATION if is_feature or way != "clamp"],
                help=OPERATION_HELP + CLAMP_HELP * is_feature,
            )  # fmt: skip
            slots.place("operation")
        positions = address.choose(words.PUSHED, where.selectbox, "Push on")
        with place:
            layer = layer_field() if operation != "clamp" else None
            largest = None if operation != "clamp" else _largest()
        length, heat, seed = st.columns(3)
        new_tokens = length.number_input("New tokens", 1, 200, 30, key="new_tokens", bind="query-params")
        temperature = heat.slider(
            "Temperature", 0.0, 2.0, 0.0, 0.1, key="temperature", bind="query-params",
            help="0 always takes the likeliest token; 1 draws from the model's own odds.",
        )  # fmt: skip
        drawn_with = seed.number_input(
            "Seed", 0, 10_000, 0, key="seed", bind="query-params",
            help="All texts are drawn with the same random numbers; another seed draws others.",
        )  # fmt: skip
    return {
        "operation": operation,
        "positions": positions,
        "layer": layer,
        "largest": largest,
        "max_new_tokens": new_tokens,
        "temperature": temperature,
        "seed": drawn_with,
    }


def layer_field(number: str = "") -> int | None:
    """How many layers have been passed where a direction acts; None for its own place."""
    layer = st.number_input(
        "Layer", 0, value=None, step=1, key=f"layer{number}", bind="query-params", placeholder="its own",
        help="Where the direction acts: the number of layers passed before it. Empty: where a feature is read, the "
        "middle for prompts, probes and numbers, three quarters of the way for a token.",
    )  # fmt: skip
    slots.place(f"layer{number}")
    return layer


def _largest() -> float | None:
    largest = st.number_input(
        "Largest activation", 0.0, value=None, key="largest", bind="query-params", placeholder="as noted",
        help="The largest activation the feature is known to reach. Empty: what the autoencoder's notes say, or else "
        "its largest in a few built-in sentences.",
    )  # fmt: skip
    slots.place("largest")
    return largest


def fields(kind: str, model: str, hooks: list[str], number: str = "") -> dict[str, Any]:
    """The fields of a direction of that source, and the settings they make."""
    if kind == "feature":
        return feature_fields(model, hooks, number)
    if kind == "contrast":
        return contrast_fields(number)
    if kind == "probe":
        return probe_fields(number)
    return _token(number) if kind == "token" else _numbers(number)


def offered(hooks: list[str], sources: words.Options) -> list[str]:
    """The sources of a direction; without an autoencoder there are no features."""
    return [source for source in sources if hooks or source != "feature"]


def feature_fields(model: str, hooks: list[str], number: str = "") -> dict[str, Any]:
    """Which feature of which autoencoder; known good ones are one click away."""
    site, field = st.columns([3, 1], vertical_alignment="bottom")
    hook = pick_site(site, hooks, key=f"sae{number}")
    known = highlights.of(model, hook)
    suggested = known[min(int(number or 1), len(known)) - 1].feature if known else 0
    typed = field.number_input(
        "Feature", 0, value=None, step=1, key=f"feature{number}", bind="query-params", placeholder=str(suggested)
    )  # the first field is shared with the features page, where empty means something too
    number_steps(f"feature{number}", {f"feature{number}": suggested})
    slots.place(f"direction{number}", f"feature{number}")
    if known:
        with st.container(horizontal=True, horizontal_alignment="left", gap="small", vertical_alignment="center"):
            st.caption("Try", width="content")
            for highlight in known:
                st.button(
                    literal(highlight.name),
                    key=f"try{number}-{highlight.feature}",
                    on_click=take,
                    args=(highlight, number),
                    help=literal(f"Feature {highlight.feature} on the prompt “{highlight.prompt}”"),
                )
    return {"direction": f"feature:{suggested if typed is None else typed}", "sae": hook}


def take(highlight: highlights.Highlight, number: str) -> None:
    """The direction and its strength; the prompt stays what it is."""
    st.session_state[f"feature{number}"] = highlight.feature
    st.session_state[f"strength{number}"] = highlight.strength
    if not number:
        st.session_state["source"] = "feature"


def contrast_fields(number: str = "") -> dict[str, Any]:
    """Two sets of prompts, one per line; the direction leads from the second to the first."""
    prompts = {}
    words = {"positive": ("Towards", POSITIVE), "negative": ("Away from", NEGATIVE)}
    for column, (name, (label, default)) in zip(st.columns(2), words.items(), strict=True):
        with column:
            prompts[name] = st.text_area(
                f"{label} (one prompt per line)",
                default,
                height=90,
                key=f"{name}{number}",
                bind=in_link(f"{name}{number}"),
                persist_state="session",
            )
            place_in_link(f"{name}{number}")
    return {"direction": "contrast"} | prompts


def _token(number: str) -> dict[str, Any]:
    token = st.text_input(
        "Token", "happy", key=f"token{number}", bind="query-params", width=260,
        help="One word. Its direction is the one that the model's output reads for it (its unembedding), so that a "
        'push makes it likelier. Read with the space before it; "double quotes" take it exactly as typed.',
    )  # fmt: skip
    slots.place(f"token{number}")
    return {"direction": f"token:{token}"}


def _numbers(number: str) -> dict[str, Any]:
    key = f"vector{number}"
    vector = st.text_area(
        "One number for each dimension of the residual stream", key=key, height=90, placeholder="0.12, -0.03, …",
        bind=in_link(key), persist_state="session",
        help="Separated by commas, spaces or lines: a probe's weights, or a steering vector from a paper. Only its "
        "direction counts, not its length.",
    )  # fmt: skip
    place_in_link(key)
    return {"direction": "vector", "vector": vector}


def levels(clamped: bool) -> tuple[float, ...]:
    """Nine strengths, evenly spaced over a range."""
    label, ends, default, key = (
        ("Times its largest activation, from and to", (0.0, 10.0), (0.0, 4.0), "reach_times")
        if clamped
        else ("Strengths, from and to", (-2.0, 2.0), (-1.0, 1.0), "reach")
    )
    low, high = st.slider(label, *ends, default, 0.2, key=key, bind="query-params")
    return tuple(round(low + (high - low) * step / 8, 4) for step in range(9))
