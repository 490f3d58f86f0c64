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

#: A hook, and what is added there at every position.
Change = tuple[str, Float[Tensor, "pos ..."]]


def has_direction(one: Intervention) -> bool:
    """Whether it changes vectors: attention weights are shares, and no random vector could stand in for them."""
    return one.where != hooks.pattern


@torch.no_grad()
def changes(model: Model, ids: Sequence[int], base: Run, own: Run) -> list[Change]:
    """What interventions add to the activations where they act, each with those before it in place.

    Args:
        model: The model.
        ids: The prompt.
        base: What is in place anyway.
        own: The interventions, each at a hook of its own, in the order of the hooks.
    """
    rows, found, done = model.rows([list(ids)]), [], list(base)
    for one in own:
        with intervening(model, [done]):
            before = model.activation(rows, one.hook)[0].clone()
        done.append(one)
        with intervening(model, [done]):
            after = model.activation(rows, one.hook)[0].clone()
        found.append((one.hook, after - before))
    return found


def added(moved: Sequence[Change]) -> list[Intervention]:
    """The same changes as plain additions."""
    sites = [(*hooks.parse(hook), value) for hook, value in moved]
    return [Intervention(site.name, layer, value, end=len(value), operation="add") for site, layer, value in sites]


def random_units(width: int, draws: int, seed: int) -> Float[Tensor, "draw width"]:
    """Directions of length 1, each way as likely as any other."""
    drawn = torch.randn(draws, width, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def random_runs(base: Run, moved: Sequence[Change], draws: int, seed: int) -> list[Run]:
    """Runs with, in place of each of `moved`, one random direction that is as long at every position.

    Args:
        base: What is in place anyway.
        moved: What the intervention adds, by hook.
        draws: How many runs.
        seed: Of the draws.
    """
    drawn = [
        (hook, value, random_units(value.shape[-1], draws, seed + at).to(value)) for at, (hook, value) in enumerate(moved)
    ]
    return [
        (*base, *added([(hook, value.norm(dim=-1, keepdim=True) * units[draw]) for hook, value, units in drawn]))
        for draw in range(draws)
    ]
