"""What takes the place of everything outside a circuit, at every position."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.circuits.family import Case, check_lengths
from mi_core.errors import choose
from mi_core.models.model import Model

ABLATIONS = ("mean", "resample", "zero")

#: By hook: what stands there outside the circuit.
Outside = dict[str, Float[Tensor, "pos ..."]]


@torch.no_grad()
def outside(model: Model, cases: Sequence[Case], found_on: Sequence[bool], names: Sequence[str], kind: str):
    """What is put in place for each case.

    Args:
        model: The model.
        cases: Every pair.
        found_on: Which of them the circuit is searched with: no other gives anything to a mean.
        names: Hooks of what can be outside.
        kind: ``"mean"``: at each position the mean over clean and corrupted prompts (Wang et al. 2022, Marks et al.
            2024), so that what they have in common stays. ``"resample"``: what the pair's corrupted prompt has there.
            ``"zero"``: nothing, which later layers never met.

    Raises:
        InputError: No such kind, or prompts of unequal length for a mean.
    """
    choose(kind, ABLATIONS, "ablation", "way to ablate")
    if kind == "mean":
        check_lengths(cases)
        ids = [ids for case, used in zip(cases, found_on, strict=True) if used for ids in (case.ids, case.other)]
        total: dict[str, Tensor] = {}
        for each in ids:
            acts = model.run_ids(model.rows([each]), names)
            total = {name: acts[name][0] + total.get(name, 0.0) for name in names}
        mean = {name: value / len(ids) for name, value in total.items()}
        return [mean] * len(cases)
    found: list[Outside] = []
    for case in cases:
        acts = model.run_ids(model.rows([case.other]), names)
        values = {name: acts[name][0] for name in names}
        found.append(values if kind == "resample" else {name: torch.zeros_like(x) for name, x in values.items()})
    return found
