"""The part of a knockout's effect that attribution foretells: what the component itself wrote towards the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.ablation.component import Component
from mi_core.ablation.knockout import Knockout
from mi_core.attribution import logit_parts
from mi_core.attribution.logit_parts import EXPLAINED
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model


def sites(model: Model, out: Sequence[Component]) -> set[str]:
    """Every hook that `direct_effects` and the knockout of `out` read."""
    names = {*logit_parts.sites(model), *(one.hook for one in out)}
    return names | {hooks.mlp_o(one.layer) for one in out if one.site == "neuron"}


@torch.no_grad()
def direct_effects(
    model: Model,
    acts: Activations,
    source: Activations,
    chosen: Sequence[Component],
    knockout: Knockout,
    target: Target,
    pos: int,
) -> Float[np.ndarray, " component"]:
    """What each component writes towards the target itself, less what its replacement would, in logits.

    With nothing else reacting and the final norm's scale held, the change of a knockout would be minus this. NaN
    where attention cannot be split into heads, or an MLP into neurons. A position that is not read writes nothing
    to the answer itself.

    Args:
        model: The model.
        acts: A run that kept `sites`, query `pos`.
        source: The run that features are read in, see `Knockout.each`.
        chosen: Components, all of one site; features of one SAE.
        knockout: What takes their place.
        target: The answer.
        pos: The position whose next token is asked for.
    """
    reader = logit_parts.reading_direction(model, acts, target, pos)
    site = chosen[0].site
    if site == "feature":
        writes = knockout.features[chosen[0].sae]
        along = knockout.taken(chosen, source)[pos] * (writes.directions @ reader)
        return _numbers([float(along[writes.ids.index(one.number)]) for one in chosen])
    taken = {one.hook: (acts[one.hook] - knockout.instead[one.hook])[pos] for one in chosen}
    if site == "position":
        return _numbers([float(taken[one.hook] @ reader) if one.number == pos else 0.0 for one in chosen])
    if site in ("attn_out", "mlp_out"):
        return _numbers([float(taken[one.hook] @ reader) for one in chosen])
    layers = {one.layer for one in chosen}
    if site == "head":
        split = logit_parts.take_apart(model, acts, target, pos).split
        back = {layer: _heads(model, acts, layer, pos, reader) / split[layer] for layer in layers}
    else:
        back = {layer: _neurons(model, acts, layer, pos, reader) for layer in layers}
    written = {one.layer: taken[one.hook] * back[one.layer] for one in chosen}
    if site == "head":
        written = {layer: each.sum(-1) for layer, each in written.items()}
    lists = {layer: each.tolist() for layer, each in written.items()}
    return _numbers([lists[one.layer][one.number] for one in chosen])


def _heads(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> Float[Tensor, "head d_head"]:
    """What one unit of each head's `z` adds to the target."""
    return model.attn_o_pull_back(layer, logit_parts.before_attention_norm(model, acts, layer, pos, reader)[0])


def _neurons(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> Float[Tensor, " d_mlp"]:
    """What one unit of each neuron adds to the target; not finite where neurons do not explain the MLP."""
    post = model.mlp_post_norm(layer)
    inner = reader if post is None else post.pull_back(reader) / post.scale(acts[hooks.mlp_o(layer)][pos])
    back = model.mlp_pull_back(layer, inner)
    return back / _explained(model, acts, layer, pos, back, inner)


def _explained(
    model: Model, acts: Activations, layer: int, pos: int, back: Tensor, inner: Float[Tensor, " d_model"]
) -> Bool[Tensor, ""]:
    """Whether neurons and bias give what the MLP's last projection writes."""
    out = acts[hooks.mlp_o(layer)][pos]
    whole = acts[hooks.post(layer)][pos] @ back + model.mlp_bias(layer) @ inner
    return (whole - out @ inner).abs() <= EXPLAINED * (1 + out.norm() * inner.norm())


def _numbers(values: list[float]) -> Float[np.ndarray, " component"]:
    found = np.array(values, dtype=np.float32)
    return np.where(np.isfinite(found), found, np.float32(np.nan))
