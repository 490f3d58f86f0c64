"""When in training did this become the model's answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.analyses.logit_lens import LogitLens, logit_lens
from mi_core.editing.overlay import refuse_edits
from mi_core.errors import InputError
from mi_core.lenses.lens import Stage, look
from mi_core.metrics.lens import settled
from mi_core.metrics.target import Target
from mi_core.models import checkpoints, hooks
from mi_core.models.checkpoints import Checkpoint
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import after_layer, percent, place, quoted
from mi_core.result import Check, Reading, check_axes, within


@dataclass(frozen=True)
class LensTimeline:
    """What the logit lens reads at one position, at every layer of every checkpoint."""

    model: str
    """Id of the model that the training ended with."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer that is followed."""
    pos: int
    """The position that is looked at, from 0."""
    steps: Int[np.ndarray, " step"]
    """Steps of training at each checkpoint."""
    models: tuple[str, ...]
    """[step] The id that opens each."""
    layers: tuple[int, ...]
    """[stage] How many blocks have been passed: 0 for the embeddings."""
    predictions: tuple[str, ...]
    """[step · stage] Top guesses, flattened."""
    probability: Float[np.ndarray, "step stage"]
    """[step, stage] Their probabilities."""
    target_probability: Float[np.ndarray, "step stage"]
    """[step, stage] Probability of the answer."""
    target_rank: Int[np.ndarray, "step stage"]
    """[step, stage] Its rank, 1 for the top guess."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, stage=len(self.layers), step=len(self.models))
        within(self, 0, 1, "probability", "target_probability")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`lens`: a row per step and layer. `became_true`: from which step on the answer stays the top guess, by layer;
        empty where it does not in the end.
        """
        step, stage = (axis.ravel() for axis in np.indices(self.target_rank.shape))
        lens = {
            "step": self.steps[step],
            "layer": np.asarray(self.layers)[stage],
            "prediction": self.predictions,
            "probability": self.probability.ravel(),
            "target": self.target.text,
            "target_probability": self.target_probability.ravel(),
            "target_rank": self.target_rank.ravel(),
        }
        since = [self.since(stage) for stage in range(len(self.layers))]
        true = {
            "layer": self.layers,
            "where": [after_layer(layer, self.layers[-1]) for layer in self.layers],
            "target": self.target.text,
            "step": pd.array([pd.NA if at is None else int(self.steps[at]) for at in since], dtype="Int64"),
        }
        return {"lens": pd.DataFrame(lens), "became_true": pd.DataFrame(true)}

    def since(self, stage: int) -> int | None:
        """The first checkpoint, counted from 0, from which on the answer stays the top guess there; None for none."""
        first = settled(self.target_rank[:, stage])
        return first if first < len(self.steps) else None

    def reading(self) -> Reading:
        """The step at which it became true, what was said before, and how early in the layers it is read."""
        name, first = quoted(self.target.text), self.since(-1)
        at = f"This is what follows {place(self.tokens, self.pos)}."
        if first is None:
            rank = self.target_rank[-1, -1]
            title = f"{name} is not the top guess at step {self.steps[-1]:,}: it stands at rank {rank:,}"
            return Reading(title, (at, self._best()))
        when = f"from step {self.steps[first]:,} on" if first else f"at every step from {self.steps[0]:,} on"
        return Reading(f"{name} is the top guess {when}", (at, *self._before(first), self._read_in(first)))

    def _before(self, first: int) -> list[str]:
        """What stood there one checkpoint earlier; between two, nobody has looked."""
        if first == 0:
            return []
        text = self.predictions[first * len(self.layers) - 1]
        said = [
            f"At step {self.steps[first - 1]:,}, the checkpoint before, the model says {quoted(text)} "
            f"({percent(self.probability[first - 1, -1])})."
        ]
        lost = self.steps[:first][self.target_rank[:first, -1] == 1]
        return [*said, f"It was so at step {lost[0]:,} already, and was lost again."] if len(lost) else said

    def _read_in(self, first: int) -> str:
        """From which layer on the lens reads it, then and in the end."""
        then, end = (after_layer(self.layers[settled(self.target_rank[step])], self.layers[-1]) for step in (first, -1))
        when = f"At step {self.steps[first]:,}"
        if first == len(self.steps) - 1:
            return f"{when} the lens first reads it {then}."
        if then == end:
            return f"{when} the lens first reads it {then}, as it does at step {self.steps[-1]:,}."
        return f"{when} the lens first reads it {then}; at step {self.steps[-1]:,}, {end}."

    def _best(self) -> str:
        """Where it stood highest."""
        best = int(self.target_rank[:, -1].argmin())
        rank, sure = self.target_rank[best, -1], percent(self.target_probability[best, -1])
        return f"It stood highest at step {self.steps[best]:,}: rank {rank:,}, {sure}."


def lens_timeline(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    steps: tuple[int, ...] = (),
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> LensTimeline:
    """Read one position by the logit lens at every checkpoint of the model's training.

    Each checkpoint is opened as a model of its own, one after the other, and read through its own norm and unembedding
    (nostalgebraist 2020, "interpreting GPT: the logit lens"). Checkpoints are moments: what happened between two of
    them is not seen.

    Args:
        model: The model, or one of its checkpoints.
        prompt: Text to read.
        target: The answer to follow; None for the top guess of the last checkpoint at `pos`.
        foil: Not read by the lens; accepted so that one set of settings serves all pages, and checked.
        pos: Position to look at; None for the last.
        steps: The steps of training to look at; none for all that are on this machine. Others are fetched from the
            hub, where their revisions are called as Pythia's are, ``step1000``.
        prepend_bos: None follows the model's own habit.
        progress: Called after each checkpoint with (done, all, the result so far).

    Returns:
        Top guesses, and the probability and rank of the answer, by step and layer; computed with 32 bits.

    Raises:
        InputError: A bad prompt, target or position; no checkpoints, or none of these steps; edits.
        Absent: Checkpoints that have to be fetched first.
    """
    refuse_edits(model)
    asked = checkpoints.chosen(model.id, steps)
    rows = {}
    for checkpoint in (asked[-1], *asked[:-1]):  # the last says which answer is followed
        answer = next(iter(rows.values())).target if rows else target
        rows[checkpoint.step] = _row(checkpoints.opened(checkpoint, model), prompt, answer, foil, pos, prepend_bos)
        _alike(rows[checkpoint.step], next(iter(rows.values())))
        done = [each for each in asked if each.step in rows]
        result = _result(done, [rows[each.step] for each in done])
        progress(len(rows), len(asked), result)
    if asked[-1].model != result.model:
        return result
    whole = checkpoints.opened(asked[-1], model)
    return _checked(result, logit_lens(whole, prompt, target=target, foil=foil, pos=pos, prepend_bos=prepend_bos))


def _row(
    model: Model, prompt: str, target: str | Target | None, foil: str | None, pos: int | None, prepend_bos: bool | None
) -> LogitLens:
    """The lens of one checkpoint."""
    tokens = model.tokens(prompt, prepend_bos)
    stages = [
        *(Stage(hooks.resid_pre(layer), "resid_pre", layer) for layer in range(model.n_layers)),
        Stage(hooks.resid_post(model.n_layers - 1), "resid_post", model.n_layers),
    ]
    asked = {"target": target, "foil": foil, "pos": model.position(tokens, pos), "top_k": 1}
    return LogitLens(norm="recomputed", **look(model, tokens, stages, model.final_norm.apply, **asked))


def _alike(row: LogitLens, last: LogitLens) -> None:
    """Raises InputError where a checkpoint reads other tokens, or has other layers: there is nothing to line up."""
    if row.tokens.ids != last.tokens.ids or row.layers != last.layers:
        raise InputError(f"{row.model} is not made as {last.model} is: name steps of one training.", "steps")


def _result(done: Sequence[Checkpoint], rows: Sequence[LogitLens]) -> LensTimeline:
    last = rows[-1]
    at = last.pos
    return LensTimeline(
        model=checkpoints.parted(last.model)[0],
        tokens=last.tokens,
        target=last.target,
        pos=at,
        steps=np.array([one.step for one in done]),
        models=tuple(one.model for one in done),
        layers=last.layers,
        predictions=tuple(text for row in rows for text in row.predictions[at :: len(row.tokens)]),
        probability=np.stack([row.top_probabilities[:, at, 0] for row in rows]),
        target_probability=np.stack([row.target_probability[:, at] for row in rows]),
        target_rank=np.stack([row.target_rank[:, at] for row in rows]),
        checks=(_own_output(rows),),
    )


def _checked(result: LensTimeline, lens: LogitLens) -> LensTimeline:
    """With the last column held against the lens of the model itself."""
    pairs = (
        (result.target_probability, lens.target_probability[:, result.pos]),
        (result.target_rank, lens.target_rank[:, result.pos]),
        (result.probability, lens.top_probabilities[:, result.pos, 0]),
    )
    error = max(float(np.abs(own[-1] - other).max()) for own, other in pairs)
    check = Check(f"the last column equals the logit lens of {result.model}", error, 0.0)
    return replace(result, checks=(*result.checks, check))


def _own_output(rows: Sequence[LogitLens]) -> Check:
    checks = [row.checks[0] for row in rows]
    return Check("the last layer of every checkpoint equals its own logits", max(check.error for check in checks),
                 checks[0].tolerance)  # fmt: skip
