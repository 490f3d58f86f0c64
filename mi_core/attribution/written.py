"""Which heads pushed each token of a text that a model wrote: direct logit attribution at many positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.logit_parts import by_head, reading_direction
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model


@dataclass(frozen=True)
class HeadPushes:
    """What each head adds to the logit of each written token: `each`, in logits before any soft cap.

    NaN in layers that have no heads, or whose heads do not add up to what attention wrote. `error` is how far the heads
    of a layer and its bias are from that, at most, where they do.
    """

    each: Float[Tensor, "step layer head"]
    error: float


def sites(model: Model) -> list[str]:
    """Every hook that `head_pushes` reads."""
    inside = [site(layer) for layer in range(model.n_layers) for site in (hooks.z, hooks.attn_o, hooks.attn_out)]
    return [hooks.resid_post(model.n_layers - 1), *(name for name in inside if model.has(name))]


@torch.no_grad()
def head_pushes(model: Model, acts: Activations, targets: Sequence[Target], positions: Sequence[int]) -> HeadPushes:
    """What the heads write towards each step's token, the final norm's scale held (Elhage et al. 2021).

    Args:
        model: One whose logits can be taken apart (`logit_parts.obstacle`).
        acts: A run that kept `sites`.
        targets: The token of each step.
        positions: Where each step is predicted from.
    """
    each = torch.full((len(targets), model.n_layers, model.n_heads), torch.nan)
    error = 0.0
    for step, (target, pos) in enumerate(zip(targets, positions, strict=True)):
        reader = reading_direction(model, acts, target, pos)
        for layer in range(model.n_layers):
            heads = by_head(model, acts, layer, pos, reader)
            if heads is not None and heads.split:
                each[step, layer] = heads.each.float().cpu()
                error = max(error, float(heads.missing))
    return HeadPushes(each, error)
