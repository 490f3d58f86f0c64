"""What a metric's gradient asks of an activation: one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model


def gradient(
    model: Model, ids: Sequence[int], hook: str, metric: Callable[[Float[Tensor, " d_vocab"]], Float[Tensor, ""]]
) -> Float[Tensor, "pos d_model"]:
    """``∂metric/∂activation`` at `hook`, for every position; `metric` is of the last position's logits.

    Raises:
        InputError: The model goes on with something else than what the hook shows, so that no gradient comes back.
    """

    def start(x: Tensor, hook) -> Tensor:
        return x.detach().requires_grad_(True)  # parameters ask for no gradient: it begins here

    with torch.enable_grad():
        acts = model.run_ids(model.rows([ids]), [hook], changes={hooks.resid_pre(0): start})
        value = metric(acts.logits[0, -1].float())
        (found,) = torch.autograd.grad(value, [acts[hook]], allow_unused=True)
    if found is None:
        raise InputError(f"No gradient comes back to {hook} in {model.id}: choose another place.", "sae")
    return found[0].detach()
