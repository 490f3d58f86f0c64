"""A circuit's picked part: what it does, and the pages that look at it further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mi_core.interventions.kind import parse
from mi_core.interventions.place import HEAD, MLP, NEURON
from mi_core.phrases import signed
from ui import show
from ui.compute import Answer
from ui.proof import prove_it
from ui.text import literal

ABLATION, PATHS = "pages/intervene/ablation.py", "pages/intervene/path_patching.py"
ARROW = " → "
MOST_OUT = 64  # parts that a link knocks out


def pick(key: str) -> Callable[[], None]:
    """What the picture calls when a node or an edge is clicked: its name goes into the field ``part``."""

    def picked() -> None:
        selection = st.session_state[key].selection
        for point in (one for one in selection.get("edge", []) if "from" in one):  # a click on a node has no ends
            via = "" if point["via"] == "in" else f" {point['via']}"
            st.session_state["part"] = f"{point['from']}{ARROW}{point['to']}{via}"
        for point in (one for one in selection.get("node", []) if "component" in one):
            st.session_state["part"] = point["component"]

    return picked


def picked_part(answer: Answer) -> None:
    """The field of the part, what was measured of it, and where it can be looked at by itself."""
    name = st.text_input(
        "One part of it", key="part", bind="query-params", placeholder="click a node or an edge, or type its name",
        help="A node such as L0H3 or MLP 1, or an edge such as L0H3 → L1H2 q: what the queries of L1H2 read of L0H3.",
    )  # fmt: skip
    if not name.strip():
        return
    row = _row(answer, name)
    if row is None:
        st.info(
            f"{literal(name)} is not among the parts in the tables: click a node or an edge.", icon=":material/edit:"
        )
        return
    measured, score = row["effect"], signed(float(row["score"]))
    cut = f"Cut alone out of the whole model, the answer falls by {signed(float(measured))} logits"
    said = f"{cut}; {score} was estimated." if pd.notna(measured) else f"{score} logits were estimated; not measured."
    st.markdown(f"**{literal(name)}** {'is' if row['kept'] else 'is not'} in the circuit. {said}")
    _links(name)


def _row(answer: Answer, name: str) -> dict[str, Any] | None:
    tables = show.tables(answer)
    start, arrow, rest = name.strip().partition(ARROW)
    if not arrow:
        rows = tables["nodes"][tables["nodes"]["component"] == start]
    else:
        end, _, via = rest.rpartition(" ") if rest.split(" ")[-1] in ("q", "k", "v") else (rest, "", "in")
        edges = tables["edges"]
        rows = edges[(edges["from"] == start) & (edges["to"] == end) & (edges["via"] == via)]
    return next(iter(pd.DataFrame(rows).to_dict("records")), None)


def _links(name: str) -> None:
    start, arrow, rest = name.strip().partition(ARROW)
    named = parse(start, (HEAD.kind, MLP.kind, NEURON.kind))
    if named is not None:
        kind, numbers = named
        prove_it(ABLATION, f"knock {start} out and see what becomes of the answer", site=kind.name, **numbers)
    receiver, _, via = rest.rpartition(" ")
    if arrow and named is not None and via in ("q", "k", "v"):
        prove_it(PATHS, f"let {start} speak to {receiver} alone", receiver=receiver, input=via, site=named[0].name)
    elif arrow and named is not None and rest == "logits":
        prove_it(PATHS, f"let {start} speak to the answer alone", site=named[0].name)


def whole_circuit(result: Any) -> None:
    """The circuit as input of Ablation: all of it out, or all but it."""
    names = np.array(result.node_names)
    inside, outside = names[result.node_kept], names[~result.node_kept]
    if result.unit == "node" and 0 < len(inside) <= MOST_OUT:
        prove_it(ABLATION, "knock the whole circuit out at once", also=tuple(inside.tolist()))
    if result.unit == "node" and 0 < len(outside) <= MOST_OUT:
        prove_it(ABLATION, "knock out everything but the circuit, and let it write", also=tuple(outside.tolist()))
