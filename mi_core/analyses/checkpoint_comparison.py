"""What changed most between two checkpoints of a training?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from mi_core.analyses.training_timeline import TrainingTimeline, called, training_timeline
from mi_core.editing.overlay import refuse_edits
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.models import checkpoints
from mi_core.models.checkpoints import Checkpoint
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import bits, moves, percent, place, quoted
from mi_core.result import Check, Reading, check_axes, within

NAMED = {
    "induction": "what followed last time",
    "previous_token": "the token before",
    "duplicate_token": "the same token earlier on",
}


@dataclass(frozen=True)
class CheckpointComparison:
    """Two checkpoints: what each expects next, and what was measured of each."""

    model: str
    """Id of the model that the training ended with."""
    tokens: Tokens
    """[pos] What was read."""
    pos: int
    """The position that is looked at, from 0."""
    first: int
    """Step of the one that is compared with."""
    second: int
    """Step of the other."""
    predictions: tuple[str, ...]
    """[guess] Every token that is among the top guesses of one of them, the later one's first."""
    probability: Float[np.ndarray, "checkpoint guess"]
    """[checkpoint, guess] Their probabilities."""
    rank: Int[np.ndarray, "checkpoint guess"]
    """[checkpoint, guess] Their ranks, 1 for the top guess."""
    kl: float
    """Bits: KL(second ‖ first) of all that may come next."""
    timeline: TrainingTimeline | None
    """What was measured along the training; None where nothing was."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability; bits (KL); share right; share of attention"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, checkpoint=2, guess=len(self.predictions))
        within(self, 0, 1, "probability")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`predictions`, `scores` and `heads`: before (the first checkpoint) and after (the second)."""
        guesses = {
            "token": self.predictions,
            "probability_before": self.probability[0],
            "probability_after": self.probability[1],
            "probability_change": self.probability[1] - self.probability[0],
            "rank_before": self.rank[0],
            "rank_after": self.rank[1],
        }
        tables = {"predictions": pd.DataFrame(guesses)}
        if self.timeline is None:
            return tables
        measured, steps = self.timeline.tables(), (self.first, self.second)
        scores = _change(measured["scores"], "value", ["metric", "unit"], *steps)
        return tables | {
            "scores": scores,
            "heads": _change(measured["roles"], "score", ["role", "layer", "head"], *steps),
        }

    def reading(self) -> Reading:
        """The top guesses of both, and which ability and which head changed most."""
        was, is_ = (self._top(which) for which in (0, 1))
        at = f"after {place(self.tokens, self.pos)}"
        if was[0] == is_[0]:
            title = f"Steps {self.first:,} and {self.second:,} both say {was[0]} {at}"
            first = f"{was[0]} has {was[1]} at step {self.first:,} and {is_[1]} at step {self.second:,}."
        else:
            title = f"Step {self.first:,} says {was[0]} {at}, step {self.second:,} says {is_[0]}"
            first = f"That is {was[1]} for {was[0]} then, and {is_[1]} for {is_[0]}."
        return Reading(
            title, (f"{first} In all that may come next, they are {bits(self.kl)} apart (KL).", *self._most())
        )

    def _top(self, which: int) -> tuple[str, str]:
        best = int(self.rank[which].argmin())
        return quoted(self.predictions[best]), percent(self.probability[which, best])

    def _most(self) -> list[str]:
        """What was measured and changed most."""
        tables = self.tables()
        if self.timeline is None:
            return []
        shares, heads = tables["scores"].query("unit == 'share right'"), tables["heads"]
        said = []
        if (row := _largest(shares)) is not None:
            now = f"{percent(row['before'])}, then {percent(row['after'])}"
            said.append(f"Of what was measured, {called(row['metric'])} changed most: {now}.")
        if (row := _largest(heads)) is not None:
            what, was, now = NAMED.get(row["role"], row["role"]), percent(row["before"]), percent(row["after"])
            name = f"L{row['layer']}H{row['head']}"
            said.append(f"Of the heads, {name} changed most: it gave {what} {was} of its attention, then {now}.")
        return said


def _largest(rows: pd.DataFrame) -> dict[str, Any] | None:
    """The row of the largest change, where there is one that can be seen."""
    if rows.empty:
        return None
    row = rows.loc[rows["change"].abs().idxmax()].to_dict()
    return row if moves(row["before"], row["after"], percent) else None


def checkpoint_comparison(
    model: Model,
    prompt: str,
    *,
    first: int | None = None,
    second: int | None = None,
    pos: int | None = None,
    top_k: int = 8,
    prepend_bos: bool | None = None,
) -> CheckpointComparison:
    """Two checkpoints of the model's training side by side.

    Args:
        model: The model, or one of its checkpoints.
        prompt: Text to read.
        first: Step of the checkpoint that is compared with; None for the first one on this machine.
        second: Step of the other; None for the last one.
        pos: Position whose next token is compared; None for the last.
        top_k: How many guesses of each are listed.
        prepend_bos: None follows the model's own habit.

    Returns:
        Probabilities of both, KL(second ‖ first) in bits, and the changes of all that was measured along the training.

    Raises:
        InputError: A bad prompt or position; no such checkpoints, or twice the same; edits.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    asked = _asked(model, first, second)
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    logits = torch.stack(
        [checkpoints.opened(one, model).run(tokens, logits=position).logits[0].float() for one in asked]
    )
    log_p = logits.log_softmax(-1)
    top = [row.topk(top_k).indices.tolist() for row in (log_p[1], log_p[0])]
    ids = list(dict.fromkeys(token_id for row in top for token_id in row))
    steps = [one.step for one in asked]
    return CheckpointComparison(
        model=checkpoints.parted(model.id)[0],
        tokens=tokens,
        pos=position,
        first=steps[0],
        second=steps[1],
        predictions=tuple(model.texts(ids)),
        probability=log_p[:, ids].exp().numpy(force=True),
        rank=np.array([[int((row > row[token_id]).sum()) + 1 for token_id in ids] for row in logits]),
        kl=max(float(distribution.kl_bits(log_p[1], log_p[0])), 0.0),
        timeline=_measured(model, steps),
        checks=(Check("all probabilities of each sum to 1", float((log_p.exp().sum(-1) - 1).abs().max()), 1e-5),),
    )


def _asked(model: Model, first: int | None, second: int | None) -> list[Checkpoint]:
    """The two checkpoints, in the order that was asked for."""
    refuse_edits(model)
    known = checkpoints.series(model.id)
    ends = [known[end].step if step is None and known else step for end, step in ((0, first), (-1, second))]
    steps = [step for step in ends if step is not None]
    if len(steps) == 2 and steps[0] == steps[1]:
        raise InputError(f"Both are step {steps[0]:,}: choose another one to compare with.", "first")
    found = {one.step: one for one in checkpoints.chosen(model.id, steps)}
    return [found[step] for step in steps]


def _measured(model: Model, steps: list[int]) -> TrainingTimeline | None:
    """What was measured along the training, where it was at both."""
    found = training_timeline(model) if checkpoints.scores(model.id) else None
    return found if found is not None and set(steps) <= set(found.steps.tolist()) else None


def _change(frame: pd.DataFrame, value: str, keys: list[str], first: int, second: int) -> pd.DataFrame:
    before, after = (frame.loc[frame["step"] == step, [*keys, value]] for step in (first, second))
    both = before.rename(columns={value: "before"}).merge(after.rename(columns={value: "after"}), on=keys)
    return both.assign(change=both["after"] - both["before"])
