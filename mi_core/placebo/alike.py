"""Other parts of an intervention's kind: heads and neurons of the same layer, features that fire about as often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from mi_core.ablation.component import Component, Feature
from mi_core.ablation.cut import CUTS, KEY, Cut
from mi_core.ablation.plan import Plan, Question
from mi_core.interventions.place import HEAD, NEURON, Part
from mi_core.interventions.restart import Run
from mi_core.models.model import Model
from mi_core.patching.run import PatchRun
from mi_core.saes import loading
from mi_core.saes.notes import notes

AS_OFTEN = 2.0  # times as often, or as rarely: a feature's density within this factor is like its own
ONE = TypeVar("ONE")
#: What they are called, their names, and a run for each.
Alike = tuple[str, list[str], list[Run]]
NOTHING: Alike = ("", [], [])


def widened(asked: Question) -> Question:
    """An ablation of all parts among which the one asked for is: those of its layer, or all active features; of a cut
    the tokens that are read, or all that read one."""
    wide = replace(asked, head=None, neuron=None, feature=None)
    if asked.site in {kind.name for kind in CUTS}:
        return replace(wide, layer=None, key_pos=None if asked.site == KEY.name else asked.key_pos)
    return wide


def is_asked(one: Component, asked: Question) -> bool:
    """Whether an ablation asks for this one among those of the widened one."""
    number = {"head": asked.head, "neuron": asked.neuron, "feature": asked.feature}.get(one.kind.name)
    return number is None or one.number == number


def of_component(model: Model, every: Plan, part: Component, draws: int, seed: int) -> Alike:
    """Components that could have been knocked out instead, `draws` of them at most.

    Args:
        model: The model.
        every: The widened ablation.
        part: What is knocked out.
        draws: How many at most.
        seed: Of the draw among more.
    """
    if isinstance(part, Part) and part.place not in (HEAD, NEURON):
        return NOTHING
    out = {part.name, *(one.name for one in every.others)}
    found = [
        (one, run)
        for one, run in zip(every.components, every.runs, strict=True)
        if one.name not in out and (not isinstance(part, Part) or one.layer == part.layer)
    ]
    kind = f"other {part.kind.noun}s of layer {part.layer}"
    if isinstance(part, Feature):
        kind, numbers = _as_often(model, part, [one.number for one, _ in found])
        found = [(one, run) for one, run in found if one.number in numbers]
    elif isinstance(part, Cut):
        kind = f"other {part.kind.plural}"
    some = drawn(found, draws, seed)
    return kind, [one.name for one, _ in some], [run for _, run in some]


def of_cell(run: PatchRun, cell: Part, draws: int, seed: int) -> Alike:
    """The same patch of other heads of the layer, at the same position where there is one."""
    if not {"head", "kv_head"} & set(run.place.site.axes):
        return NOTHING
    same = [
        other
        for other in run.cells()
        if other != cell and other.layer == cell.layer and other.numbers.get("pos") == cell.numbers.get("pos")
        if other.name not in run.without
    ]
    some = drawn(same, draws, seed)
    runs: list[Run] = [(*run.out, run.patch(one)) for one in some]
    return f"other heads of layer {cell.layer}", [one.name for one in some], runs


def drawn(found: Sequence[ONE], draws: int, seed: int) -> list[ONE]:
    """So many of them at random, in their order; all of them where there are no more."""
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[:draws]
    return [found[index] for index in order.sort().values.tolist()]


def _as_often(model: Model, part: Feature, numbers: Sequence[int]) -> tuple[str, set[int]]:
    """Which of these features fire at most twice, and at least half as often; all where none of it is known."""
    book = notes(loading.pick(model.id, part.sae))
    own = book.of(part.number).density
    if math.isnan(own):
        return "other features that are active here", set(numbers)
    like = {one for one in numbers if own / AS_OFTEN <= book.of(one).density <= own * AS_OFTEN}
    return "other features that fire about as often", like
