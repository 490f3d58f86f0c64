"""What becomes of the answer when one node, or one edge, is taken away: by running the model, nothing held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.graphs.account import Account
from mi_core.graphs.kinds import ANSWER, BIAS, FEATURE, HEAD, MLP, NEURON, TOKEN
from mi_core.graphs.nodes import Node
from mi_core.interventions.intervention import Intervention, intervening
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import chunks, sweep
from mi_core.models import hooks
from mi_core.models.progress import Progress
from mi_core.saes.sae import Sae

READERS = (FEATURE, HEAD, MLP, NEURON, ANSWER)  # whose incoming edges can be taken away one by one


def node_effects(account: Account, nodes: Sequence[Node], progress: Progress) -> Float[np.ndarray, " node"]:
    """By how much the answer falls when each node's piece is taken off the stream where it was written, in logits.

    Args:
        account: The answer.
        nodes: Which; neither biases nor the answer.
        progress: Called between chunks with (runs done, runs in all).
    """
    return _falls(account, [(_without(node, node.hook),) for node in nodes], progress)


def edge_effects(
    account: Account, ends: Sequence[tuple[Node, Node]], saes: Mapping[str, Sae], progress: Progress
) -> Float[np.ndarray, " edge"]:
    """By how much the answer falls when the reader alone no longer meets the source, in logits.

    First the source's piece is taken off what the reader's block reads, and the reader's own number is read; then the
    prompt is run with this number put in place and nothing else (path patching, Goldowsky-Dill et al. 2023).

    Args:
        account: The answer.
        ends: (source, reader) of each; NaN where the reader is none of `READERS`, or the source is no piece.
        saes: By hook, for readers that are features.
        progress: Called between chunks with (runs done, runs in all).
    """
    runs: dict[int, Run] = {}
    at: dict[tuple[str, bool], list[int]] = {}
    last = hooks.resid_post(account.model.n_layers - 1)
    for i, (source, reader) in enumerate(ends):
        if reader.kind not in READERS or source.kind == BIAS:
            continue
        if reader.kind == ANSWER:
            runs[i] = (_without(source, last),)
        elif source.kind == TOKEN and reader.hook == source.hook:
            runs[i] = (_without(reader, reader.hook),)  # features of the embeddings are all the token's
        else:
            at.setdefault((_read_at(reader), source.hook == hooks.attn_out(_block(reader))), []).append(i)
    for (hook, own), members in at.items():
        met = _met(account, [ends[i] for i in members], hook, own)
        for i, value in zip(members, met, strict=True):
            runs[i] = (_putting(ends[i][1], value, saes),)
    effects = np.full(len(ends), np.nan)
    effects[list(runs)] = _falls(account, list(runs.values()), progress)
    return effects


def _falls(account: Account, runs: Sequence[Run], progress: Progress) -> Float[np.ndarray, " run"]:
    if not runs:
        return np.empty(0)

    def read(logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, "row 1"]:
        return account.target.of(logits)[:, None]

    values = sweep(account.model, account.ids, [(), *runs], read, progress).values[:, 0].double().cpu().numpy()
    return values[0] - values[1:]


def _without(node: Node, hook: str) -> Intervention:
    site, layer = hooks.parse(hook)
    return Intervention(site.name, layer, -node.write[None], first=node.pos, end=node.pos + 1, operation="add")


def _block(reader: Node) -> int:
    return hooks.parse(reader.hook)[1]


def _read_at(reader: Node) -> str:
    """The hook where the reader's own numbers are."""
    layer = _block(reader)
    return {HEAD: hooks.z(layer), NEURON: hooks.post(layer)}.get(reader.kind, reader.hook)


@torch.no_grad()
def _met(account: Account, ends: Sequence[tuple[Node, Node]], hook: str, own: bool) -> list[Tensor]:
    """What each reader then has at `hook`, at its position."""
    model, layer = account.model, hooks.parse(hook)[1]
    rows: list[Run] = []
    still = _still(account, ends[0][1], layer) if not own else ()
    for source, reader in ends:
        begins = source.hook if own or reader.kind == FEATURE else hooks.resid_pre(layer)
        rows.append((_without(source, begins), *still))
    found: dict[int, Tensor] = {}
    for chunk in chunks(rows, len(account.ids), False):
        with intervening(model, [rows[i] for i in chunk]):
            value = model.activation(model.rows([account.ids] * len(chunk)), hook)
        found |= {i: value[row, ends[i][1].pos].clone() for row, i in enumerate(chunk)}
    return [found[i] for i in range(len(ends))]


def _still(account: Account, reader: Node, layer: int) -> Run:
    """Attention of the reader's own block as it was: an MLP meets the source by the stream alone."""
    if reader.kind not in (MLP, NEURON):
        return ()
    name, model = hooks.attn_out(layer), account.model
    if model.hook_point(name) is None:
        return ()
    return (Intervention("attn_out", layer, model.activation(model.rows([account.ids]), name)[0].clone()),)


def _putting(reader: Node, met: Tensor, saes: Mapping[str, Sae]) -> Intervention:
    """The reader's own number put in place in a run of its own."""
    layer, first, end = _block(reader), reader.pos, reader.pos + 1
    if reader.kind == HEAD:
        return Intervention("z", layer, met[reader.number][None], head=reader.number, first=first, end=end)
    if reader.kind == NEURON:
        return Intervention("post", layer, met[reader.number].view(1, 1), neuron=reader.number, first=first, end=end)
    if reader.kind == MLP:
        return Intervention("mlp_out", layer, met[None], first=first, end=end)
    sae, site = saes[reader.hook], hooks.parse(reader.hook)[0]

    def put(x: Float[Tensor, "pos d_model"], start: int) -> Float[Tensor, "pos d_model"]:
        amount = sae.amounts(met[None])[:, reader.number] - sae.amounts(x)[:, reader.number]
        return x + amount[:, None] * sae.directions([reader.number])

    return Intervention(site.name, layer, put, operation="map", first=first, end=end)
