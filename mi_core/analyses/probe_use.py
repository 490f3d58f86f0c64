"""Does the model use what a probe reads?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.directions.direction import residual_layer
from mi_core.directions.push import check_strength
from mi_core.errors import InputError, choose, shortened
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, listed, quoted, signed
from mi_core.probing import penalty
from mi_core.probing.labelled import read_labelled
from mi_core.probing.probe_direction import KINDS, direction_to
from mi_core.probing.trial import OPERATIONS, RARE, Trial, beaten, placebos, trial
from mi_core.result import Check, Reading
from mi_core.text.corpus import TextFile
from mi_core.text.sentences import sentences

MOST_PLACEBOS = 200
SIDE_TEXTS = 4  # built-in sentences, on which side effects are measured
WORTH_SAYING = 0.05  # bits: less is hardly a change


@dataclass(frozen=True)
class ProbeUse:
    """A probe's direction taken out of a run and pushed along, beside random directions of the same length."""

    model: str
    tokens: Tokens
    target: Target
    pos: int
    label: str
    """The class that the direction leads to."""
    others: tuple[str, ...]
    kind: str
    """Of the direction: one of `KINDS`."""
    layer: int
    """Blocks passed where it acts."""
    strength: float
    """Of the pushes, in mean lengths of the prompt's residuals there."""
    direction: Float[np.ndarray, " d_model"]
    """Its length is 1."""
    change: Float[np.ndarray, "operation row"]
    """Of the target's logit (difference); row 0 is the direction, the others are random ones."""
    kl: Float[np.ndarray, "operation row"]
    """KL of the next token, in bits."""
    side_kl: Float[np.ndarray, "operation row"]
    """The same, the mean over built-in sentences that are about something else."""
    top_before: str
    tops: tuple[str, ...]
    """[operation] The likeliest next token with the direction."""
    checks: tuple[Check, ...]
    units: str = "logits; bits (KL)"

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the trials and their summary."""
        moves = {"change": "logits", "side_kl": "bits"}
        return {"trials": moves, "summary": moves | {"random_kl": "bits", "random_side_kl": "bits"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`trials`: a row per operation and direction, `which` the probe's or a random one. `summary`: a row per
        operation, with how many of the random directions it moves more than. `vector`: the direction."""
        which = ["the probe's"] + [f"random {number}" for number in range(1, self.change.shape[1])]
        trials = [
            (operation, name, self.change[at, row], self.kl[at, row], self.side_kl[at, row])
            for at, operation in enumerate(OPERATIONS)
            for row, name in enumerate(which)
        ]
        summary = [
            (operation, self.change[at, 0], self.kl[at, 0], self.side_kl[at, 0], self.tops[at], *self._placebo(at))
            for at, operation in enumerate(OPERATIONS)
        ]
        return {
            "trials": pd.DataFrame(trials, columns=["operation", "direction", "change", "kl", "side_kl"]),
            "summary": pd.DataFrame(
                summary,
                columns=[
                    "operation",
                    "change",
                    "kl",
                    "side_kl",
                    "top_after",
                    "larger_than",
                    "random",
                    "random_kl",
                    "random_side_kl",
                ],
            ),
            "vector": pd.DataFrame({"dimension": np.arange(len(self.direction)), "value": self.direction}),
        }

    def _placebo(self, operation: int) -> tuple[int, int, float, float]:
        random, side = (float(kl[operation, 1:].mean()) for kl in (self.kl, self.side_kl))
        return beaten(self.kl[operation]), self.kl.shape[1] - 1, random, side

    def reading(self) -> Reading:
        """Whether taking the direction out moves the prediction more than random ones of its length do."""
        return _read(self)


def probe_use(
    model: Model,
    prompt: str,
    *,
    file: TextFile,
    label: str | None = None,
    layer: int | None = None,
    kind: Literal["logistic", "mean difference"] = "logistic",
    position: Literal["last", "mean", "token"] = "last",
    token: str = "",
    c: float | None = None,
    strength: float = 0.5,
    placebos: int = 20,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    seed: int = 0,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> ProbeUse:
    """Take a probe's direction out of a run, and push along it, beside random directions that change as much.

    A probe finds what can be read; a model need not read it (Belinkov 2022, "Probing Classifiers: Promises,
    Shortcomings, and Advances"; Elazar et al. 2021, "Amnesic Probing"). Taken out, the stream is set to the texts' mean
    along the direction, at every position behind the start token. Pushed, `strength` mean lengths of the stream are
    added along it, or taken off. A random direction gets the same amounts at the same positions, so that only where it
    points differs.

    Args:
        model: The model.
        prompt: Text whose next token is read.
        file: As `probing` takes it.
        label: The class that the direction leads to; None for the first in the file.
        layer: Blocks passed where the probe reads and the direction acts; None for the middle.
        kind: ``"logistic"``, the probe's weights; or ``"mean difference"`` of the activations.
        position: Where the texts are read, as in `probing`.
        token: That token.
        c: Inverse of the strength of the probe's L2 penalty; None: chosen as `probing` does, from all texts.
        strength: Of the pushes, in mean lengths of the prompt's residuals.
        placebos: How many random directions.
        target: The answer; None for the model's top guess.
        foil: A second token whose logit is subtracted, or None.
        pos: Position that is read; None for the last.
        seed: Of the random directions, and of the folds in which the penalty is chosen.
        prepend_bos: None follows the model's own habit.
        progress: Called between runs.

    Returns:
        Changes in logits and KL in bits at the prompt, and the mean KL over built-in sentences as a side effect.

    Raises:
        InputError: As `probing`; a bad prompt, answer, layer, class, strength or number of random directions.
    """
    penalty.choices(c)
    choose(kind, KINDS, "kind", "kind of direction")
    check_strength(strength)
    if not 1 <= placebos <= MOST_PLACEBOS:
        raise InputError(f"There are {placebos} random directions: choose 1 to {MOST_PLACEBOS}.", "placebos")
    tokens = model.tokens(prompt, prepend_bos)
    at = model.position(tokens, pos)
    passed = model.n_layers // 2 if layer is None else residual_layer(model, layer)
    held = read_labelled(file)
    wanted = held.classes[0] if label is None else label
    total = 1 + SIDE_TEXTS
    probe = direction_to(
        model, held, wanted, passed, kind=kind, position=position, token=token, c=c, seed=seed,
        prepend_bos=prepend_bos, between=functools.partial(progress, 0, total),
    )  # fmt: skip
    unit = torch.tensor(probe.unit, dtype=torch.float32, device=model.device)
    ready = _Trials(model, passed, unit, probe.mean)
    base = model.run(tokens, (), at).logits[0]
    goal = resolve(model, target, foil, int(base.argmax()))
    found = ready.on(tokens, at, goal, strength, placebos, seed, functools.partial(progress, 0, total))
    side = []
    for done, sentence in enumerate(sentences(model)[:SIDE_TEXTS], start=1):
        other = model.tokens(sentence, prepend_bos)
        between = functools.partial(progress, done, total)
        side.append([one.kl for one in ready.on(other, len(other) - 1, goal, strength, placebos, seed, between)])
    progress(total, total)
    return ProbeUse(
        model=model.id,
        tokens=tokens,
        target=goal,
        pos=at,
        label=wanted,
        others=tuple(one for one in held.classes if one != wanted),
        kind=kind,
        layer=passed,
        strength=strength,
        direction=probe.unit.astype(np.float32),
        change=np.stack([one.change for one in found]),
        kl=np.stack([one.kl for one in found]),
        side_kl=np.mean(side, axis=0),
        top_before=model.text(int(base.argmax())),
        tops=tuple(model.text(one.tops[0]) for one in found),
        checks=_checks(ready, tokens, at, goal, found[0], probe.largest),
    )  # fmt: skip


@dataclass(frozen=True)
class _Trials:
    """A direction at its place, ready to be tried on any text."""

    model: Model
    layer: int
    unit: Float[Tensor, " d_model"]
    mean: float
    """What the texts hold along it on average."""

    @property
    def hook(self) -> str:
        return self.model.resid_names()[self.layer]

    def on(
        self,
        tokens: Tokens,
        pos: int,
        target: Target,
        strength: float,
        n: int,
        seed: int,
        between: Callable[[], None],
    ) -> list[Trial]:
        """Every operation, in the order of `OPERATIONS`."""
        rows = placebos(self.unit, n, seed)

        def taken_out(x: Float[Tensor, "pos d_model"]) -> Float[Tensor, " pos"]:
            return self.mean - x @ self.unit

        def pushed(x: Float[Tensor, "pos d_model"], sign: int) -> Float[Tensor, " pos"]:
            length = x[min(1, len(x) - 1) :].norm(dim=-1).mean()
            return (sign * strength * length).expand(len(x)).clone()

        ways = (taken_out, functools.partial(pushed, sign=1), functools.partial(pushed, sign=-1))
        return [trial(self.model, tokens, pos, target, self.hook, rows, way, self.mean, between) for way in ways]


def _checks(ready: _Trials, tokens: Tokens, pos: int, target: Target, out: Trial, largest: float) -> tuple[Check, ...]:
    nothing = trial(
        ready.model, tokens, pos, target, ready.hook, ready.unit[None], lambda x: x[:, 0] * 0, 0.0, _nothing
    )
    return (
        Check("where the direction is taken out, only its mean is left along it", out.left / max(1.0, largest), 1e-4),
        Check("a push of strength 0 changes nothing", float(np.abs(nothing.change).max()), 1e-3),
    )  # fmt: skip


def _nothing() -> None:
    """Lets nobody in between."""


def _read(result: ProbeUse) -> Reading:
    n, larger = result.kl.shape[1] - 1, beaten(result.kl[0])
    direction, moved = f"the direction to “{shortened(result.label, 24)}”", bits(float(result.kl[0, 0]))
    than = f"further than {larger} of {n} random directions"
    if larger < RARE * n:
        title = f"Taking out {direction} does no more here than chance: it moves the next token by {moved}, {than}"
    elif result.kl[0, 0] < WORTH_SAYING:
        title = f"Taking out {direction} hardly moves the next token here: {moved}, though {than}"
    else:
        title = f"The model uses {direction} here: taken out, the next token moves by {moved}, {than}"
    before = quoted(result.top_before)
    stays = "stays the top guess" if result.tops[0] == result.top_before else f"gives way to {quoted(result.tops[0])}"
    return Reading(title, (f"Without it, {before} {stays}; {_answer(result)}.", _pushes(result), _side(result)))


def _answer(result: ProbeUse) -> str:
    return f"the {result.target.quantity} of {result.target.label} changes by {signed(float(result.change[0, 0]))}"


def _pushes(result: ProbeUse) -> str:
    said = [
        f"{'towards' if at == 1 else 'away from'} it {bits(float(result.kl[at, 0]))} "
        f"(more than {beaten(result.kl[at])} of {result.kl.shape[1] - 1})"
        for at in (1, 2)
    ]
    return f"Pushed by {result.strength:g} mean lengths: {listed(said)}."


def _side(result: ProbeUse) -> str:
    own, random = float(result.side_kl[0, 0]), float(result.side_kl[0, 1:].mean())
    return f"On sentences about something else, taking it out moves {bits(own)}, random directions {bits(random)}."
