"""A change of an activation, and others of the same size at the same positions that point anywhere.

An intervention that moves an answer shows that the place matters. That its direction matters shows where random
directions of the same length move the answer less.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention, intervening
from mi_core.interventions.restart import Run
from mi_core.models import hooks
from mi_core.models.model import Model


@torch.no_grad()
def change(model: Model, ids: Sequence[int], base: Run, one: Intervention) -> Float[Tensor, "pos ..."]:
    """What an intervention adds to the activation where it acts.

    Args:
        model: The model.
        ids: The prompt.
        base: What is in place anyway.
        one: The intervention.

    Raises:
        InputError: It acts on attention weights or single neurons, which have no direction.
    """
    if "d_model" not in one.where.axes and "d_head" not in one.where.axes:
        raise InputError(
            f"{one.where.words.format(layer=one.layer).capitalize()} have no direction that chance could draw: swap "
            "another activation, or switch the comparison with chance off.",
            "of",
        )
    rows = model.rows([list(ids)])
    with intervening(model, [base]):
        before = model.activation(rows, one.hook)[0].clone()
    with intervening(model, [(*base, one)]):
        after = model.activation(rows, one.hook)[0].clone()
    return after - before


def random_runs(
    ids: Sequence[int],
    base: Run,
    changes: Sequence[tuple[str, Float[Tensor, "pos ..."]]],
    draws: int,
    seed: int,
) -> list[Run]:
    """Runs with, in place of each of `changes`, one random direction that is as long at every position.

    Args:
        ids: The prompt.
        base: What is in place anyway.
        changes: (hook, what is added there).
        draws: How many runs.
        seed: Of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    found: list[Run] = []
    for _ in range(draws):
        adds = []
        for hook, moved in changes:
            site, layer = hooks.parse(hook)
            unit = torch.randn(moved.shape[-1], generator=generator).to(moved)
            length = moved.norm(dim=-1, keepdim=True)
            adds.append(Intervention(site.name, layer, length * unit / unit.norm(), end=len(ids), operation="add"))
        found.append((*base, *adds))
    return found
