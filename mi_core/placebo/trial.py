"""What is compared with chance: an intervention on one prompt, random ones of its size, and others of its kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import SETTINGS, asked_kind
from mi_core.ablation.cut import CUTS, Cut
from mi_core.ablation.kept_out import KeptOut
from mi_core.ablation.plan import Question
from mi_core.ablation.plan import plan as ablation_plan
from mi_core.directions import push
from mi_core.directions.steering_vector import SteeringVector, summed
from mi_core.editing import orthogonalise, overlay, recipes
from mi_core.editing.rome import Rewrite
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import sweep
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.patching.run import open_pair
from mi_core.patching.site import cell as find_cell
from mi_core.placebo import alike
from mi_core.placebo.alike import NOTHING, Alike
from mi_core.placebo.random_change import added, changes, has_direction, random_runs
from mi_core.probing.trial import random_units

RANDOM, TAKEN_OUT = "random directions", "random directions taken out"


@dataclass(frozen=True, eq=False)
class Trial:
    """An intervention and its alternatives, ready to be run on one prompt."""

    tokens: Tokens
    pos: int
    """The position whose next token is read."""
    target: Target
    said: str
    """What was done, for the middle of a sentence."""
    base: Run
    """What is in place anyway."""
    own: Run
    restated: Run
    """The intervention in the form in which chance does it, additions to activations; `own` where there is none."""
    kinds: tuple[str, ...]
    """[alternative] `RANDOM`, `TAKEN_OUT`, or which others they are."""
    names: tuple[str, ...]
    others: tuple[Run, ...]
    """[alternative]."""
    edited: Float[Tensor, " d_vocab"] | None = None
    """Logits of the model with edited weights, where `own` stands for an edit."""
    ranking: tuple[Run, ...] = ()
    """Runs that say which part it is: without any of those that it could be, and with each."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The prompt, up to the position that is read."""
        return self.tokens.ids[: self.pos + 1]

    @property
    def runs(self) -> list[Run]:
        """Without it, with it, with it restated, and with each alternative."""
        return [self.base, self.own, self.restated, *self.others]


def _trial(random: Alike, like: Alike = NOTHING, **known: Any) -> Trial:
    kinds = [kind for kind, names, _ in (random, like) for _ in names]
    return Trial(kinds=tuple(kinds), names=(*random[1], *like[1]), others=(*random[2], *like[2]), **known)


def _numbered(kind: str, runs: list[Run]) -> Alike:
    return kind, [f"random {number}" for number in range(1, len(runs) + 1)], runs


def _pushed_anywhere(model: Model, ids: Sequence[int], base: Run, own: Run, draws: int, seed: int) -> tuple[Run, Alike]:
    """The interventions `own` as additions to `base`, and random directions of their size; none for shares."""
    if not all(map(has_direction, own)):
        return (*base, *own), NOTHING
    moved = changes(model, ids, base, own)
    return (*base, *added(moved)), _numbered(RANDOM, random_runs(base, moved, draws, seed))


def ablated(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress | None) -> Trial:
    """The part that an ablation knocks out, or the one that matters most of several.

    Without `progress` nothing is swept, and the first of several stands for that one: to foretell what it will take.
    """
    asked = Question(**settings)
    kind, number = asked_kind(asked.site, {name: getattr(asked, name) for name in SETTINGS})
    plan = every = ablation_plan(model, alike.widened(asked), progress or silent)
    found = [at for at, one in enumerate(plan.components) if alike.is_asked(one, asked)]
    if kind in CUTS or (number is not None and len(found) != 1):  # or of a feature that is not active; or none, it says
        plan = ablation_plan(model, asked, progress or silent)
        found = list(range(len(plan.components)))
    at, several = found[0], [plan.base, *(plan.runs[at] for at in found)] if len(found) > 1 else []
    if several and progress is not None:
        swept = sweep(model, plan.ids, several, lambda x: plan.target.of(x)[:, None], progress)
        at = found[int((swept.values[1:, 0] - swept.values[0, 0]).abs().argmax())]
    part, run = plan.components[at], plan.runs[at]
    restated, random = _pushed_anywhere(model, plan.ids, plan.base, run[len(plan.base) :], draws, seed)
    return _trial(
        random,
        alike.of_component(model, every, part, draws, seed),
        tokens=plan.tokens,
        pos=plan.pos,
        target=plan.target,
        said=f"{'cutting' if isinstance(part, Cut) else 'knocking out'} {part.name}",
        base=plan.base,
        own=run,
        restated=restated,
        ranking=tuple(several),
    )


#: Settings that say which two runs.
PAIR = ("corrupted", "site", "target", "foil", "pos", "direction", "prepend_bos")


def patched(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress | None) -> Trial:
    """One cell of a patching."""
    pair = {name: settings[name] for name in PAIR}
    out = KeptOut(**{field.name: settings[field.name] for field in fields(KeptOut)})
    run = open_pair(model, settings["prompt"], metric_name="logit_difference", kept_out=out, check=False, **pair)
    cell = find_cell(model, run.place, settings["cell"], run.n_pos)
    own = (run.patch(cell),)
    restated, random = _pushed_anywhere(model, run.ids, run.out, own, draws, seed)
    return _trial(
        random,
        alike.of_cell(run, cell, draws, seed),
        tokens=run.prompts.corrupted if run.direction == "denoise" else run.prompts.clean,
        pos=run.pos,
        target=run.target,
        said=f"patching {cell.name}",
        base=run.out,
        own=(*run.out, *own),
        restated=restated,
    )


def steered(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress | None) -> Trial:
    """Directions that are pushed, on the prompt's next token."""
    push.check_positions(settings["positions"])
    first = push.PushSpec(**{field.name: settings[field.name] for field in fields(push.PushSpec)})
    wanted = push.pushes(first, settings["also"])
    tokens = model.tokens(settings["prompt"], settings["prepend_bos"])
    vectors = push.steering_vectors(model, tokens, wanted, prepend_bos=settings["prepend_bos"])
    by_hook: dict[str, list[tuple[SteeringVector, float]]] = defaultdict(list)
    for vector, spec in zip(vectors, wanted, strict=True):
        by_hook[vector.hook].append((vector, spec.strength))
    begin = len(tokens) - 1 if settings["positions"] == "new" else int(tokens.has_bos)
    own = [_pushing(hook, pushed, begin) for hook, pushed in by_hook.items()]
    restated, random = _pushed_anywhere(model, tokens.ids, (), own, draws, seed)
    plain = model.run(tokens).logits[-1]
    return _trial(
        random,
        tokens=tokens,
        pos=len(tokens) - 1,
        target=resolve(model, None, None, int(plain.argmax())),
        said="the push" if len(wanted) == 1 else "the pushes",
        base=(),
        own=own,
        restated=restated,
    )


def _pushing(hook: str, pushed: Sequence[tuple[SteeringVector, float]], first: int) -> Intervention:
    """All that is pushed at one place together."""
    site, layer = hooks.parse(hook)

    def function(x: Float[Tensor, "pos d_model"], start: int) -> Float[Tensor, "pos d_model"]:
        strengths = [(vector, torch.tensor([times], device=x.device)) for vector, times in pushed]
        return x + summed(strengths, x[None])[0]

    return Intervention(site.name, layer, function, first=first, operation="map")


#: Settings that say which edit.
EDIT = ("kind", "prompt", "subject", "target", "layer", "direction", "sae", "positive", "negative", "vector")


def edited(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress | None) -> Trial:
    """An edit of the weights: of ROME the same update with a random value, or random directions taken out."""
    recipe = recipes.asked(**{name: settings[name] for name in EDIT})
    tokens = model.tokens(settings["prompt"], settings["prepend_bos"])
    made = overlay.with_edit(model, recipe, progress)
    how = made.how
    read = [hooks.mlp_out(how.layer)] if isinstance(how, Rewrite) else []
    before, after = (one.run(tokens, read) for one in (model, made.model))
    plain, own = (acts.logits[-1].float() for acts in (before, after))
    if isinstance(how, Rewrite):
        moved = [(hook, after[hook] - before[hook]) for hook in read]
        restated, said = tuple(added(moved)), "the edit"
        random = _numbered(RANDOM, random_runs((), moved, draws, seed))
    else:
        restated, said = taking_out(model, how.direction.unit), "removing the direction"
        units = random_units(model.d_model, draws, seed).to(how.direction.unit)
        random = _numbered(TAKEN_OUT, [taking_out(model, unit) for unit in units])
    return _trial(
        random,
        tokens=tokens,
        pos=len(tokens) - 1,
        target=resolve(model, settings["target"] or None, None, int(plain.argmax())),
        said=said,
        base=(),
        own=restated,
        restated=restated,
        edited=own,
    )


def taking_out(model: Model, unit: Float[Tensor, " d_model"]) -> Run:
    """A run in which nothing writes along a direction: what weights without it would do, without copies of them."""
    embedding, *writers = [turned for _, turned in orthogonalise.writers(model, unit)][-2 * model.n_layers - 1 :]
    runs = [_without("resid_pre", 0, embedding)]
    for layer in range(model.n_layers):
        attention, mlp = writers[2 * layer : 2 * layer + 2]
        runs.append(_without("attn_out" if model.attn_post_norm(layer) is None else "attn_o", layer, attention))
        runs.append(_without("mlp_out" if model.mlp_post_norm(layer) is None else "mlp_value", layer, mlp))
    return runs


def _without(site: str, layer: int, unit: Float[Tensor, " d_model"]) -> Intervention:
    unit = unit.float()
    return Intervention(site, layer, lambda x, start: x - (x @ unit.to(x))[:, None] * unit.to(x), operation="map")


#: By the analysis that does it.
TRIALS: dict[str, Callable[[Model, dict[str, Any], int, int, Progress | None], Trial]] = {
    "ablation": ablated,
    "patched_run": patched,
    "steering": steered,
    "edit": edited,
}
