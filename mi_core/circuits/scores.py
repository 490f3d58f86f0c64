"""How much each node and edge is estimated to matter: edge attribution patching with integrated gradients.

The gradient of the answer is averaged over runs whose embeddings go from the corrupted prompt's to the clean one's
(EAP-IG, Hanna et al. 2024, "Have Faith in Faithfulness"; Sundararajan et al. 2017), at Gauss–Legendre points, and
multiplied by how far what a part writes is from what it writes outside the circuit (Syed et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.legendre import legendre
from mi_core.circuits.family import Case
from mi_core.circuits.graph import Edges, Nodes
from mi_core.circuits.outside import Outside
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Activations, Model


@dataclass(frozen=True)
class Scores:
    """Of one pair, in logits: by how much the answer would fall without a part, to first order."""

    node: Float[np.ndarray, " node"]
    edge: Float[np.ndarray, "reader source"]
    """NaN where no edge is possible; empty where edges were not asked for."""
    missing: float
    """How far the edges that leave a node are from adding up to its score, as a share of the largest score."""


def scores(model: Model, case: Case, instead: Outside, nodes: Nodes, edges: Edges | None, points: int) -> Scores:
    """Score every node, and every edge where there are `edges`.

    Args:
        model: The model.
        case: The pair.
        instead: What stands outside the circuit.
        nodes: The nodes.
        edges: The edges; None for none.
        points: Gauss–Legendre points between the prompts.

    Raises:
        InputError: No gradient comes back to a part of this model.
    """
    with torch.enable_grad():
        acts, value = _between(model, case, nodes, edges, points)
        names = list(nodes.at)
        asked = list(dict.fromkeys([*names, *(_written(model) if edges else ())]))
        found = torch.autograd.grad(value, [acts[name] for name in asked], retain_graph=True, allow_unused=True)
        if any(gradient is None for gradient in found):
            raise InputError(f"No gradient comes back to every part of {model.id}: choose other parts.", "parts")
        gradient = dict(zip(asked, found, strict=True))
        clean = model.run_ids(model.rows([case.ids]), [*asked, hooks.resid_pre(0)])
        change = {name: clean[name][0].detach() - instead[name] for name in asked if name in instead}
        node = np.zeros(len(nodes))
        for name in names:
            moved = (gradient[name] * change[name]).detach().sum(0)
            part = nodes.at[name]
            node[part] = _by_part(moved, part.stop - part.start).double().cpu().numpy()
        if edges is None:
            return Scores(node, np.empty((0, 0)), 0.0)
        change[hooks.resid_pre(0)] = clean[hooks.resid_pre(0)][0].detach() - instead[hooks.resid_pre(0)]
        edge = _edges(model, edges, acts, value, gradient, change)
    return Scores(node, edge, _missing(nodes, edges, node, edge))


def _between(
    model: Model, case: Case, nodes: Nodes, edges: Edges | None, points: int
) -> tuple[Activations, Float[Tensor, ""]]:
    """The runs between both prompts, a row each, and the target averaged over them."""
    shares, weight = legendre(points)
    start = hooks.resid_pre(0)
    ends = [model.run_ids(model.rows([ids]), [start])[start][0].detach() for ids in (case.other, case.ids)]
    share = torch.tensor(shares, dtype=ends[0].dtype, device=ends[0].device)[:, None, None]
    x = ends[0] + share * (ends[1] - ends[0])
    names = {*nodes.at, *(_read(model) if edges else ())}
    changes = {start: lambda value, hook: x.detach().requires_grad_(True)}
    acts = model.run_ids(model.rows([case.ids] * points), names, changes=changes)
    value = case.target.of(acts.logits[:, -1].float())
    return acts, (value * torch.tensor(weight, dtype=value.dtype, device=value.device)).sum()


def _written(model: Model) -> list[str]:
    return [site(layer) for layer in range(model.n_layers) for site in (hooks.z, hooks.mlp_out)]


def _read(model: Model) -> list[str]:
    """What the edges are told from, beside what is written."""
    sites = (hooks.q, hooks.k, hooks.v, hooks.attn_out, hooks.resid_pre)
    last = hooks.resid_post(model.n_layers - 1)
    return [*_written(model), *(site(layer) for layer in range(model.n_layers) for site in sites), last]


def _by_part(moved: Float[Tensor, "pos ..."], n_parts: int) -> Float[Tensor, " part"]:
    """Summed over positions and widths: of heads [pos, head, d_head], of neurons [pos, neuron], of a whole layer."""
    if moved.ndim == 3:
        return moved.sum((0, 2))
    return moved.sum(0) if n_parts > 1 else moved.sum().view(1)


def _edges(
    model: Model, edges: Edges, acts: Activations, value: Tensor, gradient: dict[str, Tensor], change: Outside
) -> Float[np.ndarray, "reader source"]:
    """What every reader asks of every source."""
    out = np.full(edges.possible.shape, np.nan)
    for layer in range(model.n_layers):
        rows = edges.readers_of(layer)
        by_head = _asked_by_heads(model, acts, layer, gradient[hooks.z(layer)])
        by_mlp, own = _asked_by_mlp(acts, layer, gradient[hooks.mlp_out(layer)])
        asked = torch.cat([by_head, by_mlp])
        out[rows, : edges.first_source(layer)] = _brought(acts, asked, layer, change)
        if own:
            heads = _of_heads(acts, layer, by_mlp, change)
            out[rows.stop - 1, edges.heads_of(layer)] = heads[0].cpu().numpy()
    (last,) = torch.autograd.grad(value, acts[hooks.resid_post(model.n_layers - 1)], retain_graph=True)
    out[-1] = _brought(acts, last[None], model.n_layers, change)[0]
    return np.where(edges.possible, out, np.nan)


def _asked_by_heads(
    model: Model, acts: Activations, layer: int, z: Float[Tensor, "row pos head d_head"]
) -> Float[Tensor, "reader row pos d_model"]:
    """What queries, keys and values of each head ask of the stream; of shared ones, what this head reads them for."""
    each = torch.eye(model.n_heads, dtype=z.dtype, device=z.device)[:, None, None, :, None] * z
    inputs = [acts[site(layer)] for site in (hooks.q, hooks.k, hooks.v)]
    asked = torch.autograd.grad(acts[hooks.z(layer)], inputs, each, retain_graph=True, is_grads_batched=True)
    stream = acts[hooks.resid_pre(layer)]
    found = [
        torch.autograd.grad(x, stream, back, retain_graph=True, is_grads_batched=True)[0]
        for x, back in zip(inputs, asked, strict=True)
    ]
    return torch.cat(found)


def _asked_by_mlp(
    acts: Activations, layer: int, out: Float[Tensor, "row pos d_model"]
) -> tuple[Float[Tensor, "1 row pos d_model"], bool]:
    """What the MLP asks of the stream, and whether that holds what attention of its layer wrote."""
    mlp, attention = acts[hooks.mlp_out(layer)], acts[hooks.attn_out(layer)]
    (asked,) = torch.autograd.grad(mlp, attention, out, retain_graph=True, allow_unused=True)
    if asked is not None:
        return asked[None], True
    return torch.autograd.grad(mlp, acts[hooks.resid_pre(layer)], out, retain_graph=True)[0][None], False


def _brought(
    acts: Activations, asked: Float[Tensor, "reader row pos d_model"], end: int, change: Outside
) -> Float[np.ndarray, "reader source"]:
    """What the tokens and each part before layer `end` bring to readers that ask this of the stream."""
    found = [_along(asked, change[hooks.resid_pre(0)])]
    for layer in range(end):
        found += [_of_heads(acts, layer, asked, change), _along(asked, change[hooks.mlp_out(layer)])]
    return torch.cat(found, dim=1).double().cpu().numpy()


def _along(asked: Float[Tensor, "reader row pos d_model"], change: Float[Tensor, "pos d_model"]) -> Tensor:
    return torch.einsum("rnpw,pw->r", asked, change)[:, None]


def _of_heads(acts: Activations, layer: int, asked: Float[Tensor, "reader row pos d_model"], change: Outside) -> Tensor:
    """[reader, head] Through the O projection, and a norm behind it."""
    out, z = acts[hooks.attn_out(layer)], acts[hooks.z(layer)]
    (back,) = torch.autograd.grad(out, z, asked, retain_graph=True, is_grads_batched=True)
    return torch.einsum("rnphd,phd->rh", back, change[hooks.z(layer)])


def _missing(nodes: Nodes, edges: Edges, node: np.ndarray, edge: np.ndarray) -> float:
    leaving = dict(zip(edges.sources, np.nansum(edge, axis=0), strict=True))
    told = [(score, leaving[name]) for name, score in zip(nodes.names, node, strict=True) if name in leaving]
    largest = max((abs(score) for score, _ in told), default=0.0)
    return max((abs(score - total) for score, total in told), default=0.0) / max(largest, 1e-3)
