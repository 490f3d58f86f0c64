"""What a graph will take, from one pass and a few readers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mi_core.graphs.account import Account
from mi_core.graphs.pull import NUMBERS_AT_ONCE, at_position, pull
from mi_core.interventions.cost import BLOCK_WIDTHS, FLOAT, ROOM
from mi_core.models import hooks
from mi_core.saes.sae import Sae

SAMPLE = 16  # readers that are taken back


@dataclass(frozen=True)
class GraphCost:
    """Seconds for one `graph` and for `measuring` its nodes and edges; `bytes` beside the weights."""

    graph: float
    measuring: float
    bytes: int


def foretold(account: Account, saes: Sequence[Sae], nodes: int, measured: int) -> GraphCost:
    """Time one pass at the middle layer and a few readers behind it, and count the rest.

    Args:
        account: The answer.
        saes: Those of the graph's places; none for heads and neurons.
        nodes: Nodes that are told apart.
        measured: Nodes, and edges, that are measured.
    """
    model, n_pos = account.model, len(account.ids)
    layer = model.n_layers // 2
    start, end = hooks.resid_pre(layer), hooks.resid_post(layer)
    clean, other, _ = account.both([start])
    began = time.perf_counter()
    with account.passing(start, clean[start], other[start], [end]) as run:
        run.worth()
        passing = time.perf_counter() - began
        reads = torch.ones(SAMPLE, model.d_model, dtype=clean[start].dtype, device=model.device)
        back = at_position(reads, [n_pos - 1] * SAMPLE, n_pos)[:, None] * run.weight[:, None, None]
        began = time.perf_counter()
        pull(run.acts[end], [run.start], back)
        reader = (time.perf_counter() - began) / SAMPLE
    n_places = len(saes) or model.n_layers
    rows = 1 if account.other is None else account.points
    held = rows * n_pos * model.n_layers * BLOCK_WIDTHS * model.d_model
    opened = sum(weight.nbytes for sae in saes for weight in sae.inner.parameters())
    return GraphCost(
        graph=passing * n_places + (nodes + 2 * n_pos) * reader * model.n_layers / n_places,
        measuring=2 * measured * passing / (3 * rows),
        bytes=ROOM + FLOAT * (NUMBERS_AT_ONCE * BLOCK_WIDTHS + held) + opened,
    )
