"""Does this do more than chance would?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.analyses._index import bound
from mi_core.errors import InputError
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import sweep
from mi_core.metrics import distribution
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, listed, signed
from mi_core.placebo.trial import RANDOM, TAKEN_OUT, TRIALS, Trial
from mi_core.probing.trial import RARE, beaten
from mi_core.result import Check, Reading, same_length

DRAWS = range(1, 201)
ENOUGH = 19  # alternatives, from which on "more than nearly all" says something
NOTHING = 1e-3  # logits or bits: rounding, no change
PICKED = "If it was picked because it moves most, it passes "
BY_CHANGE = ("ablation", "patched_run")  # judged by the answer; others by all of the next token's odds


@dataclass(frozen=True)
class Placebo:
    """An intervention beside what chance does in its place: random directions of its size, other parts of its kind."""

    model: str
    analysis: str
    """What did it: a key of `mi_core.placebo.trial.TRIALS`."""
    tokens: Tokens
    """Of the prompt that it was done to."""
    target: Target
    pos: int
    said: str
    """What was done, for the middle of a sentence."""
    own_change: float
    """Of the target's logit (difference)."""
    own_kl: float
    """KL of the next token, in bits."""
    draws: int
    """Alternatives of each kind, where there are so many."""
    seed: int
    kinds: tuple[str, ...]
    """[alternative] Random directions, or which others of its kind."""
    names: tuple[str, ...]
    change: Float[np.ndarray, " alternative"]
    kl: Float[np.ndarray, " alternative"]
    checks: tuple[Check, ...]
    units: str = "logits (change); bits (KL)"
    column_units: ClassVar = {"trials": {"change": "logits"}, "summary": {"change": "logits", "typical": "logits"}}

    def __post_init__(self) -> None:
        same_length(self, "kinds", "names", "change", "kl")

    @property
    def measure(self) -> Literal["change", "kl"]:
        """What it is judged by."""
        return "change" if self.analysis in BY_CHANGE else "kl"

    def beaten(self, kind: str) -> tuple[int, int]:
        """How many alternatives of a kind move less, of how many."""
        own, others = (self.own_change, self.change) if self.measure == "change" else (self.own_kl, self.kl)
        some = others[self._among(kind)]
        return beaten([own, *some]), len(some)

    def _among(self, kind: str) -> Bool[np.ndarray, " alternative"]:
        return np.array([each == kind for each in self.kinds], dtype=bool)

    def _typical(self, kind: str) -> tuple[float, float]:
        """What an alternative of a kind typically does, whichever way: change in logits, KL in bits."""
        among = self._among(kind)
        return float(np.median(np.abs(self.change[among]))), float(np.median(self.kl[among]))

    @property
    def groups(self) -> tuple[str, ...]:
        """The kinds of alternatives."""
        return tuple(dict.fromkeys(self.kinds))

    def tables(self) -> dict[str, pd.DataFrame]:
        """`trials`: a row per kind and alternative, the intervention itself first. `summary`: a row per kind."""
        rows = []
        for kind in self.groups or ("",):
            rows.append((kind, self.said, self.own_change, self.own_kl))
            rows += [
                row[1:]
                for row in zip(self.kinds, self.kinds, self.names, self.change, self.kl, strict=True)
                if row[0] == kind
            ]
        summary = [
            (kind, self.own_change, self.own_kl, *self.beaten(kind), *self._typical(kind)) for kind in self.groups
        ]
        return {
            "trials": pd.DataFrame(rows, columns=["kind", "direction", "change", "kl"]),
            "summary": pd.DataFrame(
                summary, columns=["kind", "change", "kl", "larger_than", "of", "typical", "typical_kl"]
            ),
        }

    def reading(self) -> Reading:
        """Whether it moves more than chance, and by how much chance moves."""
        return _read(self)


def placebo(
    model: Model,
    *,
    of: Literal["ablation", "patched_run", "steering", "edit"],
    settings: str = "{}",
    draws: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> Placebo:
    """Compare an intervention with what chance does in its place.

    Random directions change the same activation by as much at every position; heads and neurons are compared with
    others of their layer, features with others that fire about as often; of ROME the value is random, of a removed
    direction the direction. An effect that random directions have as well shows that the place matters, not what was
    put there (norm-matched random directions as a control: Turner et al. 2023, "Steering Language Models With
    Activation Engineering"). It does not show that the direction is the only one, nor what it means.

    Args:
        model: The model.
        of: What does it: an ablation (of several parts, the one that matters most), one patch, a push, or an edit.
        settings: Settings of that analysis, as a JSON object.
        draws: Random directions, and other parts at most, 1 to 200.
        seed: Of the draws.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Changes in logits, KL in bits; for pushes and edits at the prompt's next token.

    Raises:
        InputError: What that analysis raises, settings that are no JSON object, or a number of draws out of range.
    """
    asked = _asked(of, settings, draws)
    found = TRIALS[of](model, asked, draws, seed, progress)
    swept = sweep(model, found.ids, found.runs, lambda logits: logits.float(), progress)
    plain, run, restated, *others = swept.values
    own = run if found.edited is None else found.edited
    every = torch.stack([own, *others])
    change = (found.target.of(every) - found.target.of(plain)).double().numpy(force=True)
    kl = _kl(of, every, plain).numpy(force=True)
    return Placebo(
        model=model.id,
        analysis=of,
        tokens=found.tokens,
        target=found.target,
        pos=found.pos,
        said=found.said,
        own_change=float(change[0]),
        own_kl=float(kl[0]),
        draws=draws,
        seed=seed,
        kinds=found.kinds,
        names=found.names,
        change=change[1:],
        kl=kl[1:],
        checks=(_restated(found, own, restated), *swept.checks()),
    )


def _kl(of: str, logits: Float[Tensor, "row d_vocab"], plain: Float[Tensor, " d_vocab"]) -> Float[Tensor, " row"]:
    """In bits, the way round in which that analysis measures: KL(plain ‖ changed), of pushes KL(changed ‖ plain)."""
    before, after = (x.double().log_softmax(-1) for x in (plain, logits))
    ends = (after, before) if of == "steering" else (before, after)
    return distribution.kl_bits(*ends).clamp(min=0.0)


def planned(model: Model, *, of: str, settings: str, draws: int, seed: int) -> tuple[tuple[int, ...], list[Run]]:
    """The token ids and the runs that `placebo` sweeps over, all of its settings given.

    Raises:
        InputError: As `placebo` does.
    """
    found = TRIALS[of](model, _asked(of, settings, draws), draws, seed, None)
    return found.ids, [*found.ranking, *found.runs]


def _restated(found: Trial, own: Float[Tensor, " d_vocab"], restated: Float[Tensor, " d_vocab"]) -> Check:
    """The sizes that chance is given are those of the intervention, if its own changes give what it gives."""
    done = "done to the activations" if found.edited is not None else "added to the activations"
    off = float((restated - own).abs().max() / own.abs().max())
    return Check(f"what it changes, {done}, gives its own logits (share of the largest)", off, 1e-4)


def _read(result: Placebo) -> Reading:
    title = f"{_capital(result.said)} {_moved(result)}"
    if max(abs(result.own_change), result.own_kl) < NOTHING:
        return Reading(f"{title}: there is nothing to compare with chance", ())
    if not result.groups:
        return Reading(f"{title}: there is nothing of its kind to compare it with", ())
    counts = {kind: result.beaten(kind) for kind in result.groups}
    more = [f"than {larger} of {of} {kind}" for kind, (larger, of) in counts.items()]
    first = [kind for kind, (larger, of) in counts.items() if larger == of and kind not in (RANDOM, TAKEN_OUT)]
    return Reading(
        f"{title}: {_verdict(*next(iter(counts.values())))}",
        (
            f"It moves further {listed(more)}.",
            *(_typically(result, kind) for kind in counts),
            *(f"{PICKED}{kind} in any case: compare it on another prompt." for kind in first),
        ),
    )


def _moved(result: Placebo) -> str:
    if result.measure == "kl":
        return f"moves the next token by {bits(result.own_kl)}"
    return f"moves the {result.target.quantity} of {result.target.label} by {signed(result.own_change)}"


def _verdict(larger: int, of: int) -> str:
    if larger < RARE * of:
        return "no more than chance can"
    return "more than chance" if of >= ENOUGH else f"more than all {of} others, which are few to judge by"


def _typically(result: Placebo, kind: str) -> str:
    change, kl = result._typical(kind)
    moved = f"{change:.2f} logits, whichever way" if result.measure == "change" else bits(kl)
    same = " of that size, at the same place," if kind == RANDOM else ""
    few = "" if result._among(kind).sum() >= result.draws else "; there are no more of them"
    return f"{_capital(kind)}{same} typically move it by {moved}{few}."


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _asked(of: str, settings: str, draws: int) -> dict[str, Any]:
    if of not in TRIALS:
        raise InputError(f"“{of[:40]}” cannot be compared with chance: choose one of {', '.join(TRIALS)}.", "of")
    if draws not in DRAWS:
        raise InputError(f"There cannot be {draws} random directions: choose 1 to {DRAWS[-1]}.", "draws")
    try:
        given = dict(json.loads(settings))
    except (ValueError, TypeError) as error:
        raise InputError('The settings must be a JSON object, such as {"prompt": "Hello"}.', "settings") from error
    return bound(of, given)
