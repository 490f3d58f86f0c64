"""Interventions while text is written: each row of the batch is changed by its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor

from mi_core.interventions.intervention import Intervention, check
from mi_core.interventions.restart import Run
from mi_core.models.model import Model
from mi_core.text.generation import Hook


def row_hooks(model: Model, rows: Sequence[Run]) -> dict[str, Hook]:
    """What `generate` is to do to the activations so that row i is changed by `rows[i]`, by hook name.

    An intervention without an end holds for every token that is written; see `Intervention`.

    Raises:
        InputError: The model has no such layer, head or site.
    """
    check(model, [one for row in rows for one in row])
    at: dict[str, list[tuple[int, Intervention]]] = defaultdict(list)
    for row, interventions in enumerate(rows):
        for one in interventions:
            at[one.hook].append((row, one))
    return {name: _hook(model, changes) for name, changes in at.items()}


def _hook(model: Model, changes: Sequence[tuple[int, Intervention]]) -> Hook:
    def hook(x: Tensor, start: int) -> Tensor:
        changed = x.clone()
        for row, one in changes:
            # where heads have no axis of their own on the way into the O projection
            flat = x.ndim == len(one.where.axes)
            one.apply(changed[row].unflatten(-1, (model.n_heads, -1)) if flat else changed[row], start)
        return changed

    return hook
