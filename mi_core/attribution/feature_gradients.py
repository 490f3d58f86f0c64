"""What later features ask of an earlier activation: the gradients of their activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.sweep import POSITIONS_AT_ONCE
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.saes.sae import Sae

ROWS_AT_ONCE = 8  # each keeps a whole run for its way back


def rows_at_once(n_pos: int, most: int = ROWS_AT_ONCE) -> int:
    """How many rows of so many positions are run together."""
    return max(1, min(most, POSITIONS_AT_ONCE // n_pos))


def feature_gradients(
    model: Model, ids: Sequence[int], hook: str, later: Sae, features: Sequence[int], told: Callable[[int], None]
) -> tuple[Float[Tensor, "feature pos d_model"], Float[Tensor, " feature"]]:
    """``∂activation/∂x`` at `hook`, for every position, of features at the last position; and these activations.

    Every feature has a row of the batch to itself, so that one way back serves several.

    Args:
        model: The model.
        ids: What is read, up to the position of the features.
        hook: The earlier place.
        later: The SAE of the features.
        features: Which.
        told: Called between chunks with how many are done.

    Raises:
        InputError: Nothing of what is at `hook` reaches the later place.
    """
    found, rows = [], rows_at_once(len(ids))
    for start in range(0, len(features), rows):
        found.append(_some(model, ids, hook, later, features[start : start + rows]))
        told(min(start + rows, len(features)))
    gradients, activations = zip(*found, strict=True)
    return torch.cat(gradients), torch.cat(activations)


def _some(
    model: Model, ids: Sequence[int], hook: str, later: Sae, features: Sequence[int]
) -> tuple[Float[Tensor, "feature pos d_model"], Float[Tensor, " feature"]]:
    def start(x: Tensor, hook) -> Tensor:
        return x.detach().requires_grad_(True)  # parameters ask for no gradient: it begins here

    with torch.enable_grad():
        rows = model.rows([ids] * len(features))
        acts = model.run_ids(rows, [hook, later.hook], changes={hooks.resid_pre(0): start})
        encoded = later.encode(acts[later.hook][:, -1].float())
        own = encoded.gather(-1, torch.tensor(list(features), device=encoded.device)[:, None])[:, 0]
        (found,) = torch.autograd.grad(own.sum(), [acts[hook]], allow_unused=True)
    if found is None:
        raise InputError(f"What is at {hook} does not reach {later.hook} in {model.id}: choose other places.", "other")
    return found.detach().float(), own.detach()
