"""What one head receives in many runs of a prompt, each with interventions of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.interventions.intervention import check, intervening
from mi_core.interventions.place import Part
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import chunks, reproducing
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent


def received(
    model: Model,
    ids: Sequence[int],
    runs: Sequence[Run],
    part: Part,
    first: int,
    progress: Progress = silent,
) -> Float[Tensor, "run pos d_head"]:
    """One head's queries, keys or values with each run's interventions in place.

    Runs are batched, begin where they differ from the plain run as in `mi_core.interventions.sweep`, and end at the
    head's block.

    Args:
        model: The model.
        ids: The prompt.
        runs: Interventions of each: before that block, and at positions from `first` on.
        part: Queries, keys or values of one head (of grouped-query models: of a key-value head).
        first: Positions from here on are returned.
        progress: Called between chunks with (runs done, runs in all), no hook being active.

    Raises:
        InputError: The model has no such layer, head or site.
    """
    check(model, {id(one): one for run in runs for one in run}.values())
    states: dict[int, Tensor] = {}
    restart, _ = reproducing(model, ids)
    for chunk in chunks(runs, len(ids), restart is not None):
        rows = [runs[index] for index in chunk]
        seen = _whole(model, ids, rows, part.hook) if restart is None else restart.received(rows, part.hook, part.layer)
        states |= zip(chunk, seen[:, first - len(ids) :, part.number].clone(), strict=True)
        progress(len(states), len(runs))
    return torch.stack([states[index] for index in range(len(runs))])


@torch.no_grad()
def _whole(model: Model, ids: Sequence[int], rows: Sequence[Run], hook: str) -> Float[Tensor, "row pos ..."]:
    """By full forward passes."""
    with intervening(model, rows):
        return model.run_ids(model.rows([ids] * len(rows)), [hook])[hook]
