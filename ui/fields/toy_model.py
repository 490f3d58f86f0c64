"""The fields of the superposition lab, and the experiments that fill them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.labs.toy_model import LIMITS
from ui import slots, words

USUAL = {"n_features": 5, "n_hidden": 2, "density": 1.0, "importance": "0.7^i"}
TRAINED = {"steps": 1000, "starts": 4, "seed": 0}
SPARSE = {"n_features": 5, "n_hidden": 2, "density": 0.05, "importance": "equal"}
#: Experiments by their names: what they are, and their settings.
EXPERIMENTS = {
    "Dense": ("Every feature is always there; the first counts most.", USUAL),
    "Two pairs": ("Features are present 30% of the time.", SPARSE | {"density": 0.3}),
    "Pentagon": ("Features are present 5% of the time.", SPARSE),
    "20 into 6": ("The same with 20 features in 6 dimensions.", SPARSE | {"n_features": 20, "n_hidden": 6}),
    "100 into 20": (
        "Many features, each a little less important than the one before. Takes some seconds.",
        {"n_features": 100, "n_hidden": 20, "density": 0.02, "importance": "0.97^i"},
    ),
}
# The setting of the analysis, and the field's key where that is another.
KEYS = {"steps": "learning_steps"}


def fields() -> dict[str, Any]:
    """The settings of `superposition` and `unpacking`, from the fields."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Try", width="content")
        for name, (says, settings) in EXPERIMENTS.items():
            st.button(name, key=f"try-{name}", help=says, on_click=_try, args=(settings,))
        st.button(
            "Train again", icon=":material/replay:", type="tertiary", key="restart", on_click=_restart,
            help="The same from another beginning: with the next seed.",
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        features = _number("Features", "n_features", "How many things there are that may be present or not.")
        hidden = _number(
            "Dimensions", "n_hidden", "How many numbers have to carry them all. Two can be drawn as arrows."
        )
        density = st.slider(
            "How often each is present", 0.01, 1.0, USUAL["density"], 0.01, key="density", bind="query-params",
            width=240, format="percent", help="Density: the share of moments at which a feature is there at all.",
        )  # fmt: skip
        importance = st.text_input(
            "Importance", USUAL["importance"], key="importance", bind="query-params", width=160,
            help="What an error in each feature counts: equal; 0.7^i, each 0.7 times the one before; or a number for "
            "each, separated by commas.",
        )  # fmt: skip
        with st.popover("Training", icon=":material/tune:"):
            steps = _number("Steps", "steps", "Of 512 samples each.", step=100)
            starts = _number("Starts", "starts", "Models trained at once, from different beginnings: some get stuck.")
            seed = _number("Seed", "seed", "The same seed gives the same picture, another begins elsewhere.")
    for name in ("n_features", "n_hidden", "importance"):
        slots.place(name)
    return {
        "n_features": features, "n_hidden": hidden, "density": density, "importance": importance,
        "steps": steps, "starts": starts, "seed": seed,
    }  # fmt: skip


def _number(label: str, name: str, says: str, step: int = 1) -> int:
    _, low, high = LIMITS[name]
    key = KEYS.get(name, name)
    usual = (USUAL | TRAINED)[name]
    return int(st.number_input(label, low, high, usual, step, key=key, bind="query-params", width=140, help=says))


def take(settings: dict[str, Any]) -> None:
    """Fill the fields with an experiment, and look at its best start: for callbacks."""
    for name, value in (TRAINED | settings).items():
        st.session_state[KEYS.get(name, name)] = value
    st.session_state["start"], st.session_state["hidden"] = None, 1


def _try(settings: dict[str, Any]) -> None:
    """An experiment of one's own accord: the question is open again."""
    take(settings)
    st.session_state[words.FIT_GUESS.key] = None


def _restart() -> None:
    st.session_state["seed"] = (st.session_state["seed"] + 1) % (LIMITS["seed"][2] + 1)


def is_sparse(settings: dict[str, Any]) -> bool:
    """Whether this is the experiment that the question is about."""
    return all(settings[name] == value for name, value in SPARSE.items())
