"""Does this do more than chance would?"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.analyses._index import bound
from mi_core.errors import InputError
from mi_core.interventions.cost import BLOCK_WIDTHS, FLOAT, ROOM
from mi_core.interventions.sweep import POSITIONS_AT_ONCE
from mi_core.metrics import distribution
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, signed
from mi_core.placebo.trial import RANDOM, TRIALS, trial
from mi_core.result import Check, Reading, same_length

DRAWS = range(1, 201)
RARE = 0.95  # share of chance's changes that must move less
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
    kinds: tuple[str, ...]
    """[alternative]."""
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
        among = np.array([each == kind for each in self.kinds])
        own, others = (self.own_change, self.change) if self.measure == "change" else (self.own_kl, self.kl)
        return int((np.abs(others[among]) < abs(own)).sum()), int(among.sum())

    @property
    def groups(self) -> tuple[str, ...]:
        """The kinds of alternatives."""
        return tuple(dict.fromkeys(self.kinds))

    def tables(self) -> dict[str, pd.DataFrame]:
        """`trials`: a row per kind and alternative, the intervention itself first. `summary`: a row per kind."""
        rows = []
        for kind in self.groups:
            rows.append((kind, self.said, self.own_change, self.own_kl))
            rows += [
                row[1:]
                for row in zip(self.kinds, self.kinds, self.names, self.change, self.kl, strict=True)
                if row[0] == kind
            ]
        summary = []
        for kind in self.groups:
            larger, of = self.beaten(kind)
            among = np.array([each == kind for each in self.kinds])
            typical = float(np.median(np.abs(self.change[among]))), float(np.median(self.kl[among]))
            summary.append((kind, self.own_change, self.own_kl, larger, of, *typical))
        return {
            "trials": pd.DataFrame(rows, columns=["kind", "direction", "change", "kl"]),
            "summary": pd.DataFrame(
                summary, columns=["kind", "change", "kl", "larger_than", "of", "typical", "typical_kl"]
            ),
        }

    def reading(self) -> Reading:
        """Whether it moves more than chance, and by how much chance moves."""
        said = [f"than {larger} of {of} {kind}" for kind in self.groups for larger, of in [self.beaten(kind)]]
        first = self.groups[0] if self.groups else ""
        larger, of = self.beaten(first)
        moved = (
            f"moves the {self.target.quantity} of {self.target.label} by {signed(self.own_change)}"
            if self.measure == "change"
            else f"moves the next token by {bits(self.own_kl)}"
        )
        verdict = "more than chance" if of and larger >= RARE * of else "no more than chance can"
        title = f"{self.said[0].upper()}{self.said[1:]} {moved}: {verdict}"
        sentences = [f"It moves further {' and '.join(said)}."] if said else []
        return Reading(title, (*sentences, *self._typical()))

    def _typical(self) -> list[str]:
        found = []
        for kind in self.groups:
            among = np.array([each == kind for each in self.kinds])
            if self.measure == "change":
                typical = f"{float(np.median(np.abs(self.change[among]))):.2f} logits, whichever way"
            else:
                typical = bits(float(np.median(self.kl[among])))
            same = " of that size, at the same place," if kind == RANDOM else ""
            found.append(f"{kind.capitalize()}{same} typically move it by {typical}.")
        return found


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
    others of their layer, features with others that fire as often; of ROME the value is random, of a removed direction
    the direction. An effect that random directions have as well shows that the place matters, not what was put there.

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
        InputError: What that analysis raises, no settings, or an activation without directions.
    """
    asked = _asked(of, settings, draws)
    found = trial(model, of, asked, draws, seed, progress)
    every = torch.cat([found.own[None], found.logits])
    change = (found.target.of(every) - found.target.of(found.plain)).double().cpu().numpy()
    kl = _kl(of, every, found.plain).cpu().numpy()
    return Placebo(
        model=model.id,
        analysis=of,
        tokens=found.tokens,
        target=found.target,
        pos=found.pos,
        said=found.said,
        own_change=float(change[0]),
        own_kl=float(kl[0]),
        kinds=found.kinds,
        names=found.names,
        change=change[1:],
        kl=kl[1:],
        checks=found.checks,
    )


def _kl(of: str, logits: Float[Tensor, "row d_vocab"], plain: Float[Tensor, " d_vocab"]) -> Float[Tensor, " row"]:
    """In bits, the way round in which that analysis measures: KL(plain ‖ changed), of pushes KL(changed ‖ plain)."""
    before, after = (x.double().log_softmax(-1) for x in (plain, logits))
    ends = (after, before) if of == "steering" else (before, after)
    return distribution.kl_bits(*ends).clamp(min=0.0)


def planned(model: Model, *, of: str, settings: str, draws: int, seed: int) -> tuple[int, float, int]:
    """Runs that `placebo` would make, and the seconds and bytes these would take.

    Raises:
        InputError: As `placebo` does.
    """
    began = time.perf_counter()
    trial(model, of, _asked(of, settings, draws), 1, seed, silent)
    once = time.perf_counter() - began
    began = time.perf_counter()
    trial(model, of, _asked(of, settings, draws), 2, seed, silent)
    each = max(0.0, time.perf_counter() - began - once)
    size = ROOM + FLOAT * POSITIONS_AT_ONCE * model.n_layers * BLOCK_WIDTHS * model.d_model
    return draws + 2, once + draws * each, size


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
