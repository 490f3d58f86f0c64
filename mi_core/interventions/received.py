"""What one head receives in many runs of a prompt, each with interventions of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.interventions.intervention import SITES, check, intervening
from mi_core.interventions.restart import Cell
from mi_core.interventions.sweep import chunks, reproducing
from mi_core.models.model import Model


def reach(
    model: Model,
    ids: Sequence[int],
    cells: Sequence[Cell],
    place: tuple[str, int, int],
    first: int,
    progress: Callable[..., None] | None = None,
) -> Float[Tensor, "cell pos d_head"]:
    """One head's queries, keys or values with each cell's interventions in place.

    Runs are batched, begin where they differ from the plain run as in `mi_core.interventions.sweep`, and end at the
    head's block.

    Args:
        model: The model.
        ids: The prompt.
        cells: Interventions of each run: before that block, and at positions from `first` on.
        place: ``"q"``, ``"k"`` or ``"v"``, the layer, and the head (of grouped-query models: the key-value head).
        first: Positions from here on are returned.
        progress: Called between chunks with (cells done, cells in all), no hook being active.

    Raises:
        InputError: The model has no such layer, head or site.
    """
    check(model, {id(one): one for cell in cells for one in cell}.values())
    site, layer, head = place
    hook, found = SITES[site](layer), {}
    restart, _ = reproducing(model, ids)
    for chunk in chunks(cells, len(ids), restart is not None):
        rows = [cells[index] for index in chunk]
        seen = _whole(model, ids, rows, hook) if restart is None else restart.reach(rows, hook, layer)
        found |= zip(chunk, seen[:, first - len(ids) :, head].clone(), strict=True)
        if progress is not None:
            progress(len(found), len(cells))
    return torch.stack([found[index] for index in range(len(cells))])


@torch.no_grad()
def _whole(model: Model, ids: Sequence[int], rows: Sequence[Cell], hook: str) -> Float[Tensor, "row pos ..."]:
    """By full forward passes."""
    with intervening(model, rows):
        return model.run_ids(model.rows([ids] * len(rows)), [hook])[hook]
