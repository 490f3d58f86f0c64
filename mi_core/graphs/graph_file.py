"""A graph as a file: Loupe's own, which is read back as it was shown, and Neuronpedia's, which opens there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mi_core.errors import InputError
from mi_core.graphs.kinds import ANSWER, ERROR, OTHERS, REST, START, TOKEN
from mi_core.graphs.view import View

FORMAT, VERSION = "loupe attribution graph", 1
#: Node kinds in the words of Neuronpedia's graph pages.
TYPES = {TOKEN: "embedding", ANSWER: "logit", **dict.fromkeys((ERROR, OTHERS, REST, START), "mlp reconstruction error")}


def own(shown: View, about: Mapping[str, Any]) -> str:
    """The graph as it is shown, as JSON; `about` says what it is of."""
    rows = {"nodes": _rows(shown.nodes), "edges": _rows(shown.edges)}
    return json.dumps({"format": FORMAT, "version": VERSION, "about": dict(about), **rows}, ensure_ascii=False)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """JSON has no NaN: what is not there is null."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


NODE_COLUMNS = {
    "name": str, "kind": str, "level": int, "pos": int, "number": int, "token": str, "label": str, "activation": float,
    "score": float, "influence": float, "effect": float, "members": str,
}  # fmt: skip
EDGE_COLUMNS = {"from": str, "to": str, "score": float, "effect": float}


def read(text: str) -> tuple[View, dict[str, Any]]:
    """A graph from `own`'s JSON, and what it is of.

    Raises:
        InputError: It is no such file.
    """
    try:
        found = json.loads(text)
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise ValueError
        nodes = pd.DataFrame(found["nodes"], columns=list(NODE_COLUMNS)).astype(NODE_COLUMNS)
        edges = pd.DataFrame(found["edges"], columns=list(EDGE_COLUMNS)).astype(EDGE_COLUMNS)
        about = dict(found["about"])
        if not set(edges["from"]) | set(edges["to"]) <= set(nodes["name"]):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "This is no graph that Loupe saved: choose a file that the page Attribution graph wrote as JSON.", "file"
        ) from error
    return View(nodes, edges), about


def neuronpedia(
    shown: View,
    *,
    slug: str,
    scan: str,
    prompt: str,
    tokens: Sequence[str],
    token_ids: Sequence[int],
    target_id: int,
    target: str,
    probability: float,
    node_share: float,
    n_layers: int,
    pinned: Sequence[str] = (),
) -> str:
    """The graph in the schema of Neuronpedia's graph pages (circuit-tracer's `create_graph_files`).

    Args:
        shown: The graph as it is shown; a group is listed as its members are, under one name.
        slug: A short name for its address.
        scan: The model.
        prompt: What was read.
        tokens: Its tokens.
        token_ids: Their ids.
        target_id: The answer's id.
        target: The answer, in words.
        probability: What the model gives it.
        node_share: Share of the influence that nodes keep.
        n_layers: The model's.
        pinned: Names of nodes that are pinned there.
    """
    rows = shown.nodes.to_dict("records")
    ids = {row["name"]: _node_id(row, token_ids, target_id, len(tokens), n_layers) for row in rows}
    nodes = [_node(row, ids[row["name"]], token_ids, target_id, target, probability, tokens, n_layers) for row in rows]
    links = [
        {"source": ids[start], "target": ids[end], "weight": float(score)}
        for start, end, score in zip(shown.edges["from"], shown.edges["to"], shown.edges["score"], strict=True)
    ]
    metadata = {
        "slug": slug, "scan": scan, "transcoder_list": [], "prompt_tokens": list(tokens), "prompt": prompt,
        "node_threshold": node_share, "schema_version": 1,
    }  # fmt: skip
    asked = {"linkType": "both", "pinnedIds": [ids[name] for name in pinned if name in ids], "clickedId": "",
             "supernodes": [], "sg_pos": ""}  # fmt: skip
    return json.dumps({"metadata": metadata, "qParams": asked, "nodes": nodes, "links": links}, ensure_ascii=False)


def _node_id(row: Mapping[str, Any], token_ids: Sequence[int], target_id: int, n_pos: int, n_layers: int) -> str:
    kind, pos = row["kind"], int(row["pos"])
    if kind == TOKEN:
        return f"E_{token_ids[pos]}_{pos}"
    if kind == ANSWER:
        return f"{n_layers + 1}_{target_id}_{n_pos - 1}"
    if TYPES.get(kind) == TYPES[ERROR]:
        return f"0_{row['name'].replace(' ', '-')}_{pos}"
    return f"{int(row['level'])}_{row['name'].partition('@')[0].replace(' ', '-')}_{pos}"


def _node(
    row: Mapping[str, Any],
    node_id: str,
    token_ids: Sequence[int],
    target_id: int,
    target: str,
    probability: float,
    tokens: Sequence[str],
    n_layers: int,
) -> dict[str, Any]:
    kind, is_answer = row["kind"], row["kind"] == ANSWER
    pos = len(tokens) - 1 if is_answer else max(int(row["pos"]), 0)
    layer = "E" if kind == TOKEN else str(n_layers + 1 if is_answer else int(row["level"]))
    number = {TOKEN: token_ids[pos], ANSWER: target_id}.get(kind, int(row["number"]))
    says = {TOKEN: f'Emb: "{tokens[pos]}"', ANSWER: f'Output "{target}" (p={probability:.3f})'}
    amount = row["activation"]
    return {
        "node_id": node_id,
        "feature": number,
        "layer": layer,
        "ctx_idx": pos,
        "feature_type": TYPES.get(kind, "cross layer transcoder"),
        "token_prob": probability if is_answer else 0.0,
        "is_target_logit": is_answer,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{node_id}-0",
        "clerp": says.get(kind, row["label"] or row["name"]),
        "influence": float(row["influence"]),
        "activation": float(amount) if np.isfinite(amount) else None,
    }
