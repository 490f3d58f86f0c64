"""What is compared with chance: an intervention on one prompt, random ones of its size, and others of its kind."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import Component, Feature
from mi_core.ablation.cut import KEY, Cut
from mi_core.ablation.plan import Question
from mi_core.ablation.plan import plan as ablation_plan
from mi_core.directions import push
from mi_core.directions.steering_vector import SteeringVector, summed
from mi_core.editing import overlay, recipes
from mi_core.editing.orthogonalise import Removal
from mi_core.editing.rome import Rewrite
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.place import HEAD, NEURON, Part
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import Sweep, sweep
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress
from mi_core.models.tokens import Tokens
from mi_core.patching.run import open_pair
from mi_core.patching.site import cell as find_cell
from mi_core.placebo.random_change import change, random_runs
from mi_core.result import Check
from mi_core.saes import loading
from mi_core.saes.notes import notes

RANDOM = "random directions"


@dataclass(frozen=True)
class Trial:
    """Logits of the position that is read: without it, with it, and with each alternative."""

    tokens: Tokens
    pos: int
    target: Target
    said: str
    """What was done, for the middle of a sentence."""
    plain: Float[Tensor, " d_vocab"]
    own: Float[Tensor, " d_vocab"]
    kinds: tuple[str, ...]
    """[alternative] `RANDOM`, or what else it is."""
    names: tuple[str, ...]
    """[alternative]."""
    logits: Float[Tensor, "alternative d_vocab"]
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class _Alternatives:
    kinds: list[str]
    names: list[str]
    runs: list[Run]


def _swept(model: Model, ids: Sequence[int], base: Run, own: Run, others: _Alternatives, progress: Progress) -> Sweep:
    """The runs without it, with it, and with each alternative."""
    return sweep(model, ids, [base, own, *others.runs], lambda logits: logits, progress)


def _random(ids: Sequence[int], base: Run, changes: list[tuple[str, Tensor]], draws: int, seed: int) -> _Alternatives:
    names = [f"random {number}" for number in range(1, draws + 1)]
    return _Alternatives([RANDOM] * draws, names, random_runs(ids, base, changes, draws, seed))


def ablated(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress) -> Trial:
    """The part that an ablation knocks out, or the one that matters most of several."""
    asked = ablation_plan(model, Question(**settings))
    at = 0
    if len(asked.components) > 1:
        values = sweep(model, asked.ids, [(), *asked.runs], lambda x: asked.target.of(x)[:, None], progress).values
        at = int((values[1:, 0] - values[0, 0]).abs().argmax())
    part, run = asked.components[at], asked.runs[at]
    base, one = asked.base, run[-1]
    others = _Alternatives([], [], [])
    if isinstance(part, Feature) or (isinstance(part, Part) and part.place != NEURON):
        others = _random(asked.ids, base, [(one.hook, change(model, asked.ids, base, one))], draws, seed)
    kind, alike = _alike(model, settings, part, draws, seed)
    others.kinds.extend([kind] * len(alike))
    others.names.extend(name for name, _ in alike)
    others.runs.extend(run for _, run in alike)
    swept = _swept(model, asked.ids, base, run, others, progress)
    said = f"{'cutting' if isinstance(part, Cut) else 'knocking out'} {part.name}"
    return _trial(asked.tokens, asked.pos, asked.target, said, others, swept)


def _alike(
    model: Model, settings: dict[str, Any], part: Component, draws: int, seed: int
) -> tuple[str, list[tuple[str, Run]]]:
    """Other parts of the same kind: of the same layer, or features that fire as often; `draws` of them at most."""
    if isinstance(part, Part) and part.place not in (HEAD, NEURON):
        return "", []
    every = {**settings, "head": None, "neuron": None, "feature": None, "layer": None}
    if isinstance(part, Part):
        every["layer"] = part.layer
    elif isinstance(part, Cut) and part.kind == KEY:
        every["key_pos"] = None
    asked = ablation_plan(model, Question(**every))
    found = [
        (one, run)
        for one, run in zip(asked.components, asked.runs, strict=True)
        if one.name != part.name and one.name not in {other.name for other in asked.others}
    ]
    if isinstance(part, Feature):
        entry = loading.pick(model.id, part.sae)
        density = {one.number: notes(entry).of(one.number).density for one, _ in found}
        own = notes(entry).of(part.number).density
        if not math.isnan(own):
            found.sort(key=lambda pair: _apart(density[pair[0].number], own))
            return "features that fire as often", [(one.name, run) for one, run in found[:draws]]
        kind = "other features active here"
    elif isinstance(part, Cut):
        kind = f"other {part.kind.plural}"
    else:
        kind = f"other {part.kind.noun}s of layer {part.layer}"
    if len(found) > draws:
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[:draws].sort().values
        found = [found[i] for i in order.tolist()]
    return kind, [(one.name, run) for one, run in found]


def _apart(density: float, own: float) -> float:
    return math.inf if math.isnan(density) else abs(density - own)


#: Settings that say which two runs.
PAIR = ("corrupted", "site", "target", "foil", "pos", "direction", "prepend_bos")


def patched(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress) -> Trial:
    """One cell of a patching."""
    asked = {
        name: settings[name] for name in ("corrupted", "site", "target", "foil", "pos", "direction", "prepend_bos")
    }
    run = open_pair(model, settings["prompt"], metric_name="logit_difference", check=False, **asked)
    cell = find_cell(model, run.place, settings["cell"], run.n_pos)
    one = run.patch(cell)
    others = _random(run.ids, (), [(one.hook, change(model, run.ids, (), one))], draws, seed)
    if run.place == HEAD:
        alike = [other for other in run.cells() if other.layer == cell.layer and other.name != cell.name][:draws]
        others.kinds.extend([f"other heads of layer {cell.layer}"] * len(alike))
        others.names.extend(other.name for other in alike)
        others.runs.extend((run.patch(other),) for other in alike)
    swept = _swept(model, run.ids, (), (one,), others, progress)
    tokens = run.prompts.corrupted if run.direction == "denoise" else run.prompts.clean
    return _trial(tokens, run.pos, run.target, f"patching {cell.name}", others, swept)


def steered(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress) -> Trial:
    """Directions that are pushed, on the prompt's next token."""
    first = push.PushSpec(**{field.name: settings[field.name] for field in fields(push.PushSpec)})
    wanted = push.pushes(first, settings["also"])
    tokens = model.tokens(settings["prompt"], settings["prepend_bos"])
    ids, pos = tokens.ids, len(tokens) - 1
    vectors = push.steering_vectors(model, tokens, wanted, prepend_bos=settings["prepend_bos"])
    begin = pos if settings["positions"] == "new" else int(tokens.has_bos)
    places: dict[str, list[tuple[SteeringVector, float]]] = defaultdict(list)
    for vector, spec in zip(vectors, wanted, strict=True):
        places[vector.hook].append((vector, spec.strength))
    own: list[Intervention] = []
    changes: list[tuple[str, Tensor]] = []
    for hook in sorted(places, key=lambda hook: hooks.parse(hook)[1]):
        one = _pushing(hook, places[hook], begin)
        changes.append((hook, change(model, ids, own, one)))
        own.append(one)
    others = _random(ids, (), changes, draws, seed)
    swept = _swept(model, ids, (), own, others, progress)
    target = resolve(model, None, None, int(swept.values[0].argmax()))
    return _trial(tokens, pos, target, "the push" if len(vectors) == 1 else "the pushes", others, swept)


def _pushing(hook: str, vectors: Sequence[tuple[SteeringVector, float]], first: int) -> Intervention:
    site, layer = hooks.parse(hook)

    def function(x: Float[Tensor, "pos d_model"], start: int) -> Float[Tensor, "pos d_model"]:
        strengths = [(vector, torch.tensor([strength], device=x.device)) for vector, strength in vectors]
        return x + summed(strengths, x[None])[0]

    return Intervention(site.name, layer, function, first=first, operation="map")


#: Settings that say which edit.
EDIT = ("kind", "prompt", "subject", "target", "layer", "direction", "sae", "positive", "negative", "vector")


def edited(model: Model, settings: dict[str, Any], draws: int, seed: int, progress: Progress) -> Trial:
    """An edit of the weights: of ROME the same update with a random value, or random directions taken out."""
    recipe = recipes.asked(**{name: settings[name] for name in EDIT})
    tokens = model.tokens(settings["prompt"], settings["prepend_bos"])
    ids, pos = tokens.ids, len(tokens) - 1
    made = overlay.with_edit(model, recipe, None)
    rows = model.rows([ids])
    with torch.no_grad():
        plain, own = (one.run_ids(rows).logits[0, -1].float() for one in (model, made.model))
    names = [f"random {number}" for number in range(1, draws + 1)]
    how = made.how
    if isinstance(how, Rewrite):
        hook = hooks.mlp_out(how.layer)
        moved = made.model.activation(rows, hook)[0] - model.activation(rows, hook)[0]
        site, layer = hooks.parse(hook)
        itself = Intervention(site.name, layer, moved, operation="add")
        runs = random_runs(ids, (), [(hook, moved)], draws, seed)
        swept = sweep(model, ids, [(itself,), *runs], lambda x: x, progress)
        again, *rest = swept.values.float()
        off = float((again - own).abs().max() / own.abs().max())
        checks = (Check("what the edit adds, added to a run, gives the edited model's logits (share)", off, 1e-4),)
        logits, said = torch.stack(rest), "the edit"
    else:
        logits = torch.stack([_removed(model, how, number, seed, ids, progress, draws) for number in range(draws)])
        checks, said = made.checks, "removing the direction"
    wanted = settings.get("target") or None
    target = resolve(model, wanted, None, int(plain.argmax()))
    return Trial(tokens, pos, target, said, plain, own, (RANDOM,) * draws, tuple(names), logits, checks)


@torch.no_grad()
def _removed(
    model: Model, how: Removal, number: int, seed: int, ids: Sequence[int], progress: Progress, draws: int
) -> Float[Tensor, " d_vocab"]:
    """Without one random direction: a model of its own for as long as it is asked."""
    generator = torch.Generator().manual_seed(seed * 1000 + number)
    unit = torch.randn(model.d_model, generator=generator).to(how.direction.unit)
    removal = Removal(replace(how.direction, unit=unit / unit.norm()))
    other = overlay.with_changes(model, removal.changes(model), f"{model.fingerprint}+placebo")
    logits = other.run_ids(other.rows([list(ids)])).logits[0, -1].float()
    progress(number + 1, draws)
    return logits


def _trial(tokens: Tokens, pos: int, target: Target, said: str, others: _Alternatives, swept: Sweep) -> Trial:
    plain, own, *rest = swept.values.float()
    logits = torch.stack(rest) if rest else plain[:0].reshape(0, len(plain))
    kinds, names = tuple(others.kinds), tuple(others.names)
    return Trial(tokens, pos, target, said, plain, own, kinds, names, logits, swept.checks())


#: By the analysis that does it.
TRIALS: dict[str, Callable[[Model, dict[str, Any], int, int, Progress], Trial]] = {
    "ablation": ablated,
    "patched_run": patched,
    "steering": steered,
    "edit": edited,
}


def trial(model: Model, of: str, settings: dict[str, Any], draws: int, seed: int, progress: Progress) -> Trial:
    """Do it, and what is compared with it.

    Args:
        model: The model.
        of: A key of `TRIALS`.
        settings: All settings of that analysis.
        draws: Random directions.
        seed: Of the draws.
        progress: Called between chunks with (runs done, runs in all).

    Raises:
        InputError: No such analysis, or what it raises itself.
    """
    if of not in TRIALS:
        raise InputError(f"“{of[:40]}” cannot be compared with chance: choose one of {', '.join(TRIALS)}.", "of")
    return TRIALS[of](model, settings, draws, seed, progress)
