"""A probe's direction tried out on the prompt, beside random ones, and the ways on from there."""

from __future__ import annotations

from typing import Any

import streamlit as st

from charts import figures
from mi_core.phrases import after_layer
from ui import address, belonging, show, slots, words
from ui.compute import Answer, compute
from ui.fields.probed import key_of
from ui.permalink import LONGEST
from ui.prompt import prompt
from ui.proof import prove_it
from ui.text import literal

HOW = (
    "The diamond is what the probe's direction does when it is taken out of the model's activations at every token, or "
    "pushed along; the circles are 20 random directions that change the activations by exactly as much. Only where the "
    "diamond lies beyond nearly all circles has the direction done something that any other would not."
)
# A prompt on which the texts' property may matter, for each set that ships.
EXAMPLES = {
    "sentiment": "This movie was terrible. I",
    "language": "The French word for dog is",
    "capital": "They live in Austin. It is",
}


def probe_trial(probed: Answer, layer: int, read: dict[str, Any]) -> None:
    """Draw it for one layer's probe: `read` are the settings that say which texts are read, and where."""
    st.divider()
    st.subheader("Does the model use it?", anchor=False)
    st.markdown(
        "A probe shows what can be read, not what is read. So take its direction out of a run, and push along it, on a "
        "prompt of yours."
    )
    _example(read["file"])
    chosen = prompt()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _towards(probed.result.held.classes)
        kind = address.choose(words.PROBE_KIND, st.selectbox, "The direction is", width=240)
        strength = st.slider(
            "Strength of the pushes", 0.0, 2.0, 0.5, 0.1, key="probe_strength", bind="query-params", width=240,
            help="In units of the typical length of the model's activations.",
        )  # fmt: skip
        measure = address.choose(words.PLACEBO_MEASURE, st.selectbox, "Show what becomes of", width=240)
    slots.place("label", "towards")
    asked = read | {"layer": layer, "label": label, "kind": kind, "strength": strength}
    answer = compute("probe_use", chosen.model, **chosen.asking, **asked)
    show.finding(answer)
    show.chart(answer, figures.probe_use, measure=measure, key="trials", how=HOW, table="trials")
    where = after_layer(layer, probed.result.n_layers)
    if kind == "logistic" and read["position"] == "last":
        _by_name(f"{key_of(read['file'])}/{label}", layer, strength, where)
    else:
        _by_numbers(answer, layer, where)


def _towards(classes: tuple[str, ...]) -> str:
    if st.session_state.get("towards") not in classes:
        st.session_state.pop("towards", None)
    return st.selectbox("Towards", classes, key="towards", bind="query-params", width=200)


def _example(file: str) -> None:
    """A prompt that suits the texts, one click away."""
    example = EXAMPLES.get(file)
    if example is not None and st.session_state.get("prompt") != example:
        label = literal(f"Try it on “{example}”")
        st.button(label, key="probe-example", on_click=belonging.bring, args=(example,), icon=":material/play_arrow:")


def _by_name(probe: str, layer: int, strength: float, where: str) -> None:
    """Steering and edits with the texts and the class filled in, from which they find the same direction."""
    _links({"source": "probe", "probe": probe, "layer": layer, "strength": strength}, where,
           {"edit_direction": "probe", "probe": probe, "layer": layer})  # fmt: skip


def _by_numbers(answer: Answer, layer: int, where: str) -> None:
    """The same with the direction's numbers filled in, where an address can hold them."""
    numbers = " ".join(f"{value:.4g}" for value in answer.result.direction)
    if len(numbers) > LONGEST:
        st.caption("The direction is too long for a link: copy it from the export of the table `vector`.")
        return
    push = {"source": "vector", "vector": numbers, "layer": layer, "strength": answer.result.strength}
    _links(push, where, {"edit_direction": "vector", "edit_numbers": numbers})


def _links(push: dict[str, Any], where: str, removed: dict[str, Any]) -> None:
    prove_it("pages/intervene/steering.py", f"steer along it {where} and read what the model writes", **push)
    prove_it("pages/intervene/edits.py", "take it out of the weights themselves", edit_kind="orthogonalise", **removed)
