"""Attribution patching: what many patches would do, from one forward and one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model


def effects(
    model: Model,
    ids: Sequence[int],
    instead: Mapping[str, Float[Tensor, "pos ..."]],
    metric: Callable[[Float[Tensor, " d_vocab"]], Float[Tensor, ""]],
) -> dict[str, Float[Tensor, "pos ..."]]:
    """First-order effect of every number of every patch: ``(instead − activation) · ∂metric/∂activation``.

    Sums over it estimate the effect of patching what was summed over (Nanda 2023, "Attribution Patching"; Syed et al.
    2023). A straight line through a curve: close for heads' outputs, often far off for early layers, whose effect
    passes through every nonlinearity after them.

    Args:
        model: The model.
        ids: The run that is patched, up to the position that is read.
        instead: What would be put in place, by hook name, for the positions of `ids`.
        metric: Of the last position's logits, after any soft cap.

    Raises:
        InputError: The model goes on with something else than what a hook shows, so that no gradient comes back to it.
    """

    def start(x: Tensor, hook) -> Tensor:
        return x.detach().requires_grad_(True)  # parameters ask for no gradient: it begins here

    with torch.enable_grad():
        acts = model.run_ids(model.rows([ids]), instead, changes={hooks.resid_pre(0): start})
        value, shown = metric(acts.logits[0, -1].float()), [acts[name] for name in instead]
        gradients = torch.autograd.grad(value, shown, allow_unused=True)
    if any(gradient is None for gradient in gradients):
        raise InputError(f"Patches here cannot be estimated in {model.id}: run them exactly.", "estimate")
    return {
        name: ((instead[name] - acts[name][0]) * gradient[0]).detach()
        for name, gradient in zip(instead, gradients, strict=True)
    }
