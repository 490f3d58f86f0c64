"""What did the model learn, and when?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.errors import InputError
from mi_core.models import checkpoints, loading
from mi_core.models.model import Model
from mi_core.phrases import listed, percent
from mi_core.result import Check, Reading, check_axes, same_length

#: What a measured share is called; others go by their own names.
CALLED = {
    "capitals": "naming capitals",
    "indirect_object": "telling who is given something",
    "repeat_accuracy": "copying a passage that comes again",
}
#: Roles of heads, by their names in the file of scores.
ROLES = {"induction": "induction", "previous": "previous_token", "duplicate": "duplicate_token"}
NAMED = {"induction": "looks at what followed last time", "previous_token": "looks at the token before"}
CLEAR = 0.4  # of its attention: from there on a head has a role


@dataclass(frozen=True)
class TrainingTimeline:
    """What was measured at every checkpoint of a training."""

    model: str
    """Id of the model that the training ended with."""
    steps: Int[np.ndarray, " step"]
    """Steps of training at each checkpoint."""
    n_tokens: Int[np.ndarray, " step"]
    """Tokens that had been read by then."""
    models: tuple[str, ...]
    """[step] The id that opens each."""
    bits: tuple[int | None, ...]
    """[step] Bits of each weight as it is stored; all are computed with 32."""
    metrics: tuple[str, ...]
    """[metric] What was measured."""
    value: Float[np.ndarray, "step metric"]
    """Shares right; of those that are a loss, bits per token."""
    roles: tuple[str, ...]
    """[role] What heads may look at."""
    score: Float[np.ndarray, "step role layer head"]
    """Share of its attention that a head gives to it."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "share right; bits per token; share of attention"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "steps", "models", "bits")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`scores`: a row per step and metric. `roles`: per step, role and head. `checkpoints`: how each is stored."""
        step, metric = (axis.ravel() for axis in np.indices(self.value.shape))
        names = np.asarray(self.metrics, dtype=object)[metric]
        scores = {
            "step": self.steps[step],
            "tokens": self.n_tokens[step],
            "metric": names,
            "value": self.value.ravel(),
            "unit": ["bits per token" if _is_loss(name) else "share right" for name in names],
        }
        step, role, layer, head = (axis.ravel() for axis in np.indices(self.score.shape))
        roles = {
            "step": self.steps[step],
            "role": np.asarray(self.roles, dtype=object)[role],
            "layer": layer,
            "head": head,
            "score": self.score.ravel(),
        }
        kept = {"step": self.steps, "tokens": self.n_tokens, "model": self.models, "bits": self.bits}
        return {"scores": pd.DataFrame(scores), "roles": pd.DataFrame(roles), "checkpoints": pd.DataFrame(kept)}

    def reading(self) -> Reading:
        """In which order things came, and when the clearest heads took their role."""
        came = sorted((self.arrival(name), name) for name in self.metrics if not _is_loss(name) and self._grows(name))
        return Reading(self._title(came), (*(self._jump(at, name) for at, name in came), *self._heads()))

    def arrival(self, metric: str) -> int:
        """The first checkpoint, counted from 0, from which on a metric stays above half of what it ends with."""
        return _stays(self.value[:, self.metrics.index(metric)])

    def _grows(self, metric: str) -> bool:
        column = self.value[:, self.metrics.index(metric)]
        return bool(column[-1] > 2 * column[0])

    def _title(self, came: list[tuple[int, str]]) -> str:
        if not came:
            return f"Nothing that was measured has grown over {self.steps[-1]:,} steps of training"
        (first, one), (last, other) = came[0], came[-1]
        if one == other:
            return f"{called(one).capitalize()} comes by step {self.steps[first]:,}"
        return (
            f"{called(one).capitalize()} comes first, by step {self.steps[first]:,}; {called(other)} comes last, by "
            f"step {self.steps[last]:,}"
        )

    def _jump(self, at: int, metric: str) -> str:
        column = self.value[:, self.metrics.index(metric)]
        if at == 0:
            return f"{called(metric).capitalize()} is there from the first checkpoint on."
        before, now = percent(column[at - 1]), percent(column[at])
        between = f"between steps {self.steps[at - 1]:,} and {self.steps[at]:,}"
        return f"{called(metric).capitalize()} goes from {before} to {now} right {between}."

    def _heads(self) -> list[str]:
        """When the clearest head of each role took it."""
        said = []
        for role, score in zip(self.roles, np.moveaxis(self.score, 1, 0), strict=True):
            layer, head = np.unravel_index(int(score[-1].argmax()), score[-1].shape)
            own = score[:, layer, head]
            if own[-1] >= CLEAR and role in NAMED:
                since = f"step {self.steps[_stays(own)]:,}"
                how = f"{percent(own[-1])} of its attention in the end, over half of that from {since} on"
                said.append(f"L{layer}H{head} {NAMED[role]} ({how})")
        return [f"The clearest heads: {listed(said)}."] if said else []


def training_timeline(model: Model) -> TrainingTimeline:
    """What was measured at every checkpoint of the training that a model came of.

    Abilities come at different times, and some come suddenly: copying of what was seen once arises together with
    induction heads (Olsson et al. 2022, "In-context learning and induction heads"). What was measured lies beside the
    weights, in ``checkpoints/scores.json``; nothing is run here.

    Args:
        model: The model, or one of its checkpoints.

    Returns:
        Shares right, losses in bits, and each head's share of attention to what its roles ask for.

    Raises:
        InputError: Nothing was measured along its training, or the file is damaged.
    """
    name, _ = checkpoints.parted(model.id)
    held = checkpoints.scores(name)
    if not held or not held["checkpoints"]:
        raise InputError(
            f"Nothing was measured along the training of {name}: choose loupe-mini, whose checkpoints ship with Loupe.",
            "model",
        )
    rows = held["checkpoints"]
    series = {one.step: one.model for one in checkpoints.series(name)}
    ids = tuple(series.get(row["step"], "") for row in rows)
    metrics = tuple(rows[-1]["figures"])
    return TrainingTimeline(
        model=name,
        steps=np.array([row["step"] for row in rows]),
        n_tokens=np.array([row["tokens"] for row in rows]),
        models=ids,
        bits=tuple(checkpoints.bits(one) if one else None for one in ids),
        metrics=metrics,
        value=np.array([[_value(row, metric) for metric in metrics] for row in rows]),
        roles=tuple(ROLES.get(role, role) or role for role in rows[-1]["heads"]),
        score=_scores(rows, list(rows[-1]["heads"])),
        checks=_checks(name, ids, rows),
    )


def _checks(name: str, ids: tuple[str, ...], rows: list[dict[str, Any]]) -> tuple[Check, ...]:
    """That the last step is the model, to the last bit, and that all shares are shares."""
    shares = [value for row in rows for metric, value in row["figures"].items() if not _is_loss(metric)]
    beyond = max((abs(share - min(max(share, 0), 1)) for share in shares), default=0.0)
    checks = [Check("every share lies from 0 to 1", float(beyond), 0.0)]
    if ids[-1]:
        last, own = (loading.fingerprint(loading.locate(one)) for one in (f"{name}@{rows[-1]['step']}", name))
        checks.insert(0, Check(f"the last checkpoint is {name}, bit for bit", float(last != own), 0.0))
    return tuple(checks)


def _scores(rows: list[dict[str, Any]], roles: list[str]) -> Float[np.ndarray, "step role layer head"]:
    heads = np.shape(rows[-1]["heads"][roles[0]]) if roles else (0, 0)
    return np.array([[row["heads"][role] for role in roles] for row in rows], float).reshape(
        len(rows), len(roles), *heads
    )


def _value(row: dict[str, Any], metric: str) -> float:
    value = row["figures"].get(metric, math.nan)
    return value / math.log(2) if _is_loss(metric) else value


def _is_loss(metric: str) -> bool:
    """Losses are stored in nats, as training counts them."""
    return metric.endswith("loss")


def called(metric: str) -> str:
    """A metric in words."""
    return CALLED.get(metric, metric.replace("_", " "))


def _stays(values: Float[np.ndarray, " step"]) -> int:
    """The first place from which on all are over half of the last."""
    below = np.flatnonzero(values <= values[-1] / 2)
    return int(below[-1]) + 1 if len(below) else 0
