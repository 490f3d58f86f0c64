"""Runs of prompts that ask for a name: what heads look at and write in them, as they are and with heads knocked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution import logit_parts
from mi_core.attribution.logit_parts import Parts
from mi_core.heads.name_prompts import NamePrompt, NamePrompts
from mi_core.heads.name_roles import LOOKS
from mi_core.interventions.intervention import Intervention, check, intervening, run_with
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.progress import Progress
from mi_core.models.tokens import Tokens
from mi_core.result import Check

AT_ONCE = 8  # prompts of a batch: more need more memory and are hardly faster
Head = tuple[int, int]


@dataclass(frozen=True)
class NameRuns:
    """All prompts read once."""

    attention: Float[np.ndarray, "prompt look layer head"]
    """Share of attention along each of `LOOKS`."""
    direct: Float[np.ndarray, "prompt layer head"]
    """What each head writes towards IO − S, in logits; NaN in layers that cannot be split into heads."""
    total: Float[np.ndarray, " prompt"]
    """IO − S before any soft cap."""
    logit_diff: Float[np.ndarray, " prompt"]
    """IO − S of the model's own logits."""
    error: float
    """How far all parts of a prompt together are from `total`, at most."""


def n_batches(drawn: NamePrompts) -> int:
    """How often the model runs for a measurement of all prompts."""
    return len(list(_batches([one.template for one in drawn.asked])))


def measure(
    model: Model,
    layers: Sequence[int],
    drawn: NamePrompts,
    instead: Mapping[int, Sequence[Intervention]],
    progress: Progress,
    done: int,
    total: int,
) -> NameRuns:
    """Read every prompt, with the interventions that belong to its sentence.

    Args:
        model: One whose logits can be taken apart (`logit_parts.obstacle`).
        layers: Those with heads.
        drawn: The prompts.
        instead: By template; none for the model as it is.
        progress: Called between batches.
        done: Batches that were run before.
        total: Batches in all.
    """
    names = [*logit_parts.sites(model)]
    seen: dict[int, tuple[np.ndarray, ...]] = {}
    for batch in _batches([one.template for one in drawn.asked]):
        rows = [drawn.asked[at] for at in batch]
        acts = _run(model, [one.ids for one in rows], instead.get(rows[0].template, ()), names)
        for row, at in enumerate(batch):
            one = Activations({name: value[row] for name, value in acts.sites.items()}, acts.logits[row])
            seen[at] = _read(model, layers, drawn.asked[at], one)
        done += 1
        progress(done, total)
    columns = [np.stack(column) for column in zip(*(seen[at] for at in sorted(seen)), strict=True)]
    attention, direct, before_cap, logit_diff, error = columns
    return NameRuns(attention, direct, before_cap, logit_diff, float(error.max()))


@torch.no_grad()
def _run(
    model: Model, rows: Sequence[Sequence[int]], changes: Sequence[Intervention], names: Sequence[str]
) -> Activations:
    check(model, changes)
    with intervening(model, [changes] * len(rows)):
        return model.run_ids(model.rows(rows), names)


def _read(model: Model, layers: Sequence[int], asked: NamePrompt, acts: Activations) -> tuple[np.ndarray, ...]:
    """Attention, direct effects, IO − S before the cap and after it, and what is missing of the sum of all parts."""
    places = {"s1": asked.s1, "s1_next": asked.s1 + 1, "s2": asked.s2, "io": asked.io, "end": asked.end}
    patterns = torch.stack([acts[hooks.pattern(layer)] for layer in layers])
    ways = [look.split("_to_") for look in LOOKS]
    attention = torch.stack([patterns[:, :, places[query], places[key]] for query, key in ways])
    at_end = {hooks.pattern(layer): acts[hooks.pattern(layer)][:, asked.end, None] for layer in layers}
    parts = logit_parts.take_apart(model, Activations(acts.sites | at_end, acts.logits), asked.target, asked.end)
    direct = torch.where(parts.split[:, None], parts.heads, torch.nan)[list(layers)]
    own = asked.target.of(acts.logits[0].float())
    last = acts[hooks.resid_post(model.n_layers - 1)][asked.end]
    total = own if model.logit_cap is None else asked.target.of(model.unembed(model.final_norm.apply(last)).float())
    return (
        attention.float().numpy(force=True),
        direct.float().numpy(force=True),
        np.asarray(float(total), dtype=np.float32),
        np.asarray(float(own), dtype=np.float32),
        np.asarray(abs(_sum(parts) - float(total)), dtype=np.float32),
    )


def _sum(parts: Parts) -> float:
    """All parts together: heads and biases where they explain their layer, whole layers elsewhere."""
    by_head = parts.heads.sum(-1) + parts.attn_bias
    attention = torch.where(parts.split, by_head, parts.attn)
    scalars = [parts.embed, *([] if parts.pos_embed is None else [parts.pos_embed])]
    inside = attention.double().sum() + parts.mlp.double().sum() + parts.other.double().sum()
    return float(inside) + sum(map(float, scalars)) + parts.norm_bias + parts.unembed_bias


@torch.no_grad()
def means(
    model: Model, layers: Sequence[int], drawn: NamePrompts, progress: Progress, done: int, total: int
) -> dict[int, Float[Tensor, "layer head d_head"]]:
    """What each head passes on at the last position, a mean over the prompts of three names, by template."""
    sums: dict[int, list[Tensor]] = {}
    for batch in _batches([at for *_, at in drawn.others]):
        rows = [drawn.others[i] for i in batch]
        acts = model.run_ids(model.rows([ids for _, ids, _ in rows]), [hooks.z(layer) for layer in layers])
        z = torch.stack([acts[hooks.z(layer)][:, -1] for layer in layers], 1)
        sums.setdefault(rows[0][2], []).append(z)
        done += 1
        progress(done, total)
    return {at: torch.cat(pieces).mean(0) for at, pieces in sums.items()}


def without(
    layers: Sequence[int],
    drawn: NamePrompts,
    mean: Mapping[int, Float[Tensor, "layer head d_head"]],
    heads: Sequence[Head],
) -> dict[int, list[Intervention]]:
    """The interventions that put the mean in the heads' place at the last position, by template."""
    end = {one.template: one.end for one in drawn.asked}
    return {
        at: [
            Intervention("z", layers[layer], mean[at][layer, head], head=head, first=end[at], end=end[at] + 1)
            for layer, head in heads
        ]
        for at in end
    }


def _batches(templates: Sequence[int]) -> Iterator[list[int]]:
    """Indices of prompts that run together: of one sentence, so that they are equally long."""
    for at in sorted(set(templates)):
        rows = [row for row, own in enumerate(templates) if own == at]
        yield from (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE))


def n_other_batches(drawn: NamePrompts) -> int:
    """How often the model runs for the means."""
    return len(list(_batches([at for *_, at in drawn.others])))


def checks(
    model: Model, drawn: NamePrompts, plain: NameRuns, after: NameRuns, changes: Mapping[int, Sequence[Intervention]]
) -> tuple[Check, ...]:
    """That the parts sum up in both measurements, and the knockout of the first prompt made again, alone."""
    found = [
        Check("all parts sum to the logit difference of every prompt", plain.error, 1e-3),
        Check("with the heads knocked out as well", after.error, 1e-3),
    ]
    first = drawn.asked[0]
    if first.template in changes:
        tokens = Tokens(first.ids, tuple(model.texts(first.ids)), (False,) * len(first.ids), False)
        again = run_with(model, tokens, changes[first.template]).logits[0]
        error = abs(float(first.target.of(again.float())) - float(after.logit_diff[0]))
        found.append(Check("the first prompt’s knockout, run again alone", error, 1e-3))
    return tuple(found)
