"""An attribution graph's picked node or line, and the graph as a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from charts import figures
from mi_core.errors import InputError
from mi_core.graphs import graph_file
from mi_core.graphs.kinds import ANSWER, FEATURE, HEAD, MLP, NEURON, TOKEN
from mi_core.models.tokens import visible
from mi_core.phrases import place, signed
from ui import framed, slots
from ui.compute import Answer, attempt
from ui.downloads import download
from ui.fields.attribution_graph import Shown
from ui.parts import contexts
from ui.parts.circuit import ARROW
from ui.proof import prove_it
from ui.show import rows
from ui.text import literal

ABLATION = "pages/intervene/ablation.py"
LISTED = 8


def picked_part(answer: Answer) -> None:
    """The field of the part, what was foretold and measured of it, and what comes in and goes out."""
    name = st.text_input(
        "One node or line", key="part", bind="query-params", placeholder="click a node or a line, or type its name",
        help="A node such as L2F306@5 (feature 306 after two layers, at position 5), or a line such as "
        "L2F306@5 → answer.",
    ).strip()  # fmt: skip
    if not name:
        return
    result = answer.result
    start, arrow, end = name.partition(ARROW)
    ends = [start.strip(), end.strip()] if arrow else [start]
    if any(one not in result.names for one in ends):
        st.info(f"{literal(name)} is not in this graph: click a node or a line.", icon=":material/edit:")
        return
    at = [result.names.index(one) for one in ends]
    known = result.edge_effect[at[1], at[0]] if arrow else result.effects[at[0]]
    more = None
    if not np.isfinite(known):  # beside those that are measured anyway
        with st.spinner("Running the model without it"):
            more = attempt(answer.request.analysis, answer.request.model, **_settings(answer), also=(name,))
    result = more.result if more is not None else result
    if arrow:
        _line(result, *at)
    else:
        _node(answer, result, at[0])


def _settings(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.request.settings if name != "also"}


def _line(result: Any, source: int, reader: int) -> None:
    score, effect = float(result.edge[reader, source]), float(result.edge_effect[reader, source])
    said = f"{signed(score)} logits of the worth of {_called(result, reader)} came through {_called(result, source)}."
    st.markdown(f"**{literal(result.names[source] + ARROW + result.names[reader])}** {literal(said)}")
    if np.isfinite(effect):
        who, falls = (
            ("the answer", "it falls")
            if result.kinds[reader] == ANSWER
            else (literal(result.names[reader]), "the answer falls")
        )
        st.markdown(f"Measured: where {who} alone no longer meets it, {falls} by {signed(effect)} logits.")
    else:
        st.caption("This line cannot be cut by itself: its upper end is no single part of the model.")


def _node(answer: Answer, result: Any, node: int) -> None:
    score, effect = float(result.scores[node]), float(result.effects[node])
    st.markdown(f"**{literal(_called(result, node))}** is worth {signed(score)} logits to the answer.")
    if np.isfinite(effect):
        st.markdown(f"Measured: without it the answer falls by {signed(effect)} logits.")
    columns = st.columns(2)
    for column, said, edge, effect in (
        (columns[0], "What comes in", result.edge[node], result.edge_effect[node]),
        (columns[1], "What goes out", result.edge[:, node], result.edge_effect[:, node]),
    ):
        with column:
            _ends(result, said, edge, effect)
    _proofs(answer, node)


def _ends(result: Any, said: str, edge: np.ndarray, effect: np.ndarray) -> None:
    strongest = [i for i in np.argsort(-np.abs(edge), kind="stable")[:LISTED] if edge[i] != 0]
    if not strongest:
        return
    st.markdown(f"**{said}**: {signed(float(edge.sum()))} logits in all")
    frame = pd.DataFrame(
        {
            "node": [result.names[i] for i in strongest],
            "meaning": [_meaning(result, i) for i in strongest],
            "score": [signed(float(edge[i])) for i in strongest],
            "measured": [signed(float(effect[i])) if np.isfinite(effect[i]) else "" for i in strongest],
        }
    )
    rows(frame, dict.fromkeys(frame, ""), alt=f"{said}, strongest first")


def _meaning(result: Any, node: int) -> str:
    if result.kinds[node] == TOKEN:
        return visible(result.tokens.texts[result.positions[node]])
    return result.labels[node]


def _called(result: Any, node: int) -> str:
    name, meaning, pos = result.names[node], _meaning(result, node), result.positions[node]
    if pos < 0 or result.kinds[node] == ANSWER:
        return f"the answer {result.target.label}" if result.kinds[node] == ANSWER else name
    what = f" ({meaning})" if meaning and result.kinds[node] != TOKEN else ""
    return f"{name.partition('@')[0]}{what} at {place(result.tokens, pos)}"


def _proofs(answer: Answer, node: int) -> None:
    result, model = answer.result, answer.request.model
    kind, layer, number = result.kinds[node], result.levels[node], result.numbers[node]
    if kind in (HEAD, MLP, NEURON):
        prove_it(ABLATION, "knock it out at every position", site=kind, layer=layer, **_numbered(kind, number))
    if kind != FEATURE:
        return
    sae = dict(result.saes)[layer]
    prove_it(ABLATION, "knock this feature out at every position", site="feature", sae=sae, feature=number)
    settings = dict(answer.request.settings)
    one = attempt(
        "feature", model, prompt=settings["prompt"], prepend_bos=settings.get("prepend_bos"), feature=number, sae=sae
    )
    if one is not None:
        contexts.draw(one.result)


def _numbered(kind: str, number: int) -> dict[str, int]:
    return {} if kind == MLP else {kind: number}


def files(answer: Answer, shown: Shown) -> None:
    """The graph as it is shown, to be taken away."""
    result, settings = answer.result, dict(answer.request.settings)
    about = {
        "model": result.model,
        "prompt": settings["prompt"],
        "corrupted": settings.get("corrupted") or "",
        "answer": result.target.label,
        "made of": result.basis,
    }

    def view():
        return result.shown(shown.node_share, shown.pinned, shown.groups)

    def theirs() -> str:
        return graph_file.neuronpedia(
            view(),
            slug="loupe-graph",
            scan=result.model,
            prompt=settings["prompt"],
            tokens=result.tokens.texts[: result.pos + 1],
            token_ids=result.tokens.ids[: result.pos + 1],
            target_id=result.target.token_id,
            target=result.target.text,
            probability=result.probability,
            node_share=shown.node_share,
            n_layers=max(level for level, kind in zip(result.levels, result.kinds, strict=True) if kind != ANSWER),
            pinned=shown.pinned,
        )

    with st.expander("The graph as a file", icon=":material/download:"):
        left, right = st.columns(2)
        with left:
            download(
                "Graph (JSON)", lambda: graph_file.own(view(), about), "attribution_graph.json", "application/json",
                "graph", "What is on screen, with every number. It opens again below.",
            )  # fmt: skip
        with right:
            download(
                "For Neuronpedia (JSON)", theirs, "neuronpedia_graph.json", "application/json", "graph",
                "The same in the schema of Neuronpedia’s graph page.",
            )  # fmt: skip
        _opened()


def _opened() -> None:
    file = st.file_uploader("Open a saved graph", ["json"], key="saved_graph", max_upload_size=20)
    slots.place("file", "saved_graph")
    if file is None:
        return
    try:
        shown, about = graph_file.read(file.getvalue().decode("utf-8", "replace"))
    except InputError as error:
        slots.report(error)
        return
    said = "; ".join(f"{name}: {value}" for name, value in about.items() if value)
    st.caption(literal(said))
    answer = visible(str(about.get("answer", "answer")))
    picture = figures.saved_graph(shown, title=f"Saved: {answer}", answer=answer)
    framed.framed(picture.to_dict(), "opened_graph", None)
