"""A change of an activation, and others of the same size at the same positions that point anywhere.

An intervention that moves an answer shows that the place matters. That its direction matters shows where random
directions of the same length move the answer less.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.interventions.intervention import Intervention, intervening
from mi_core.interventions.restart import Run
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.probing.trial import random_units

#: A hook, and what is added there at every position.
Change = tuple[str, Float[Tensor, "pos ..."]]


def has_direction(one: Intervention) -> bool:
    """Whether it changes vectors: attention weights are shares, and no random vector could stand in for them."""
    return one.where != hooks.pattern


@torch.no_grad()
def changes(model: Model, ids: Sequence[int], base: Run, own: Run) -> list[Change]:
    """What each of some interventions adds to the activation where it acts, all others in place.

    Args:
        model: The model.
        ids: The prompt.
        base: What is in place anyway.
        own: The interventions, each at a hook of its own.
    """
    rows, found = model.rows([list(ids)]), []
    for one in own:
        values = []
        for run in ([*base, *(other for other in own if other is not one)], [*base, *own]):
            with intervening(model, [run]):
                values.append(model.activation(rows, one.hook)[0].clone())
        found.append((one.hook, values[1] - values[0]))
    return found


def added(moved: Sequence[Change]) -> list[Intervention]:
    """The same changes as plain additions."""
    sites = [(*hooks.parse(hook), value) for hook, value in moved]
    return [Intervention(site.name, layer, value, end=len(value), operation="add") for site, layer, value in sites]


def random_runs(base: Run, moved: Sequence[Change], draws: int, seed: int) -> list[Run]:
    """Runs with, in place of each of `moved`, one random direction that is as long at every position.

    Args:
        base: What is in place anyway.
        moved: What the intervention adds, by hook.
        draws: How many runs.
        seed: Of the draws.
    """
    widths = [value.shape[-1] for _, value in moved]
    drawn = random_units(sum(widths), draws, seed).split(widths, dim=-1)
    every = []
    for (hook, value), units in zip(moved, drawn, strict=True):
        lengths = value.norm(dim=-1, keepdim=True)
        every.append([(hook, lengths * unit / unit.norm()) for unit in units.to(value)])
    return [(*base, *added(one)) for one in zip(*every, strict=True)]
