"""Many interventions on one prompt, each in a run of its own: batched, and computed only where they differ.

A run that is changed at block L and position p equals the plain run before both. So it starts there: at block L, from
the plain run's residual stream, with the plain run's keys and values for the positions before p. Runs that start at
later blocks join the batch of the earlier ones on their way, and only the last position is unembedded. Nothing is
approximated. The blocks are called with the very arguments that the model passed to them in a plain run; where that
does not reproduce the plain run, every run goes through the whole model instead.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.interventions.intervention import Intervention, check, intervening
from mi_core.interventions.restart import Restart, Run, begin
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.result import Check

POSITIONS_AT_ONCE = 512  # rows × positions of a batch: tens of MB in a model of GPT-2's size, and about a second
WORTHWHILE = 320  # rows × positions below which a batch costs hardly more when it grows
ROWS_AT_ONCE = 64  # of logits: 13 MB at GPT-2's vocabulary
REPRODUCED = 1e-5  # of the largest logit: more than this is not rounding

log = logging.getLogger(__name__)

#: What is kept of the logits of some runs: [row, d_vocab] → [row, metric].
Read = Callable[[Float[Tensor, "row d_vocab"]], Float[Tensor, "row metric"]]


@dataclass(frozen=True)
class Sweep:
    """What was read of every run."""

    values: Float[Tensor, "run metric"]
    """[run, metric] As `read` gives them, in its units."""
    restarts: bool
    """Whether runs started where they differ; else each went through the whole model."""
    error: float
    """How far a restarted run without any change is from the plain run, as a share of the largest logit."""

    def checks(self) -> tuple[Check, ...]:
        """That a run started in the middle is the model's own; none where runs went through the whole model."""
        name = "a run started in the middle gives the model's own logits (share of the largest)"
        return (Check(name, self.error, REPRODUCED),) if self.restarts else ()


def sweep(
    model: Model,
    ids: Sequence[int],
    runs: Sequence[Run],
    read: Read,
    progress: Progress = silent,
) -> Sweep:
    """Run the prompt once for each of `runs`, with its interventions in place.

    Args:
        model: The model.
        ids: The prompt, up to the position whose next-token logits are read.
        runs: Interventions of each; an empty one is a run without any.
        read: What to keep of the logits (after any soft cap), called with some rows at a time.
        progress: Called between chunks with (runs done, runs in all), no hook being active.

    Raises:
        InputError: The model has no such layer, head or site.
    """
    check(model, {id(one): one for run in runs for one in run}.values())
    restart, error = reproducing(model, ids)
    values: dict[int, Tensor] = {}
    for chunk in chunks(runs, len(ids), restart is not None):
        rows = [runs[index] for index in chunk]
        logits = whole(model, ids, rows) if restart is None else restart.run(rows)
        values |= zip(chunk, read(logits), strict=True)
        progress(len(values), len(runs))
    return Sweep(torch.stack([values[index] for index in range(len(runs))]), restart is not None, error)


def reproducing(model: Model, ids: Sequence[int]) -> tuple[Restart | None, float]:
    """A restart for this prompt, if runs that start in the middle give the plain run's logits; and how well they do."""
    if not model.opening.keys_and_values:
        return None, float("nan")
    try:
        restart = Restart(model, ids)
        nothing = Intervention("resid_pre", model.n_layers // 2, 0.0, first=len(ids) // 2, operation="add")
        again = restart.run([[nothing]] * 2)  # two, as not every family takes more rows than it was called with
        error = float((again - restart.logits).abs().max() / restart.logits.abs().max())
    except Exception as failure:  # blocks that cannot be called alone fail each in their own way
        _tell(model.id, f"{type(failure).__name__}: {failure}")
        return None, float("nan")
    if error <= REPRODUCED:
        return restart, error
    _tell(model.id, f"a run started in the middle is off by more than {REPRODUCED} of the largest logit")
    return None, error


@functools.lru_cache(maxsize=64)
def _tell(model_id: str, reason: str) -> None:
    """Say once why sweeps of this model are slow."""
    log.warning("%s cannot be started in the middle, so each run goes through all of it: %s", model_id, reason)


@torch.no_grad()
def whole(model: Model, ids: Sequence[int], rows: Sequence[Run]) -> Float[Tensor, "row d_vocab"]:
    """Logits of the last position by full forward passes, a row per run."""
    with intervening(model, rows):
        return model.run_ids(model.rows([ids] * len(rows))).logits[:, -1].float()


def chunks(runs: Sequence[Run], n_pos: int, restarts: bool) -> Iterator[list[int]]:
    """Indices of runs to make together: late positions and late layers first, since they take least.

    A batch holds at most `ROWS_AT_ONCE` rows, and `POSITIONS_AT_ONCE` rows × positions or a single row, however many
    runs there are.
    """
    chunk: list[int] = []
    for index in sorted(range(len(runs)), key=lambda index: begin(runs[index]), reverse=True):
        first = begin(runs[index])[0] if restarts else 0
        same = bool(chunk) and first == begin(runs[chunk[-1]])[0]
        most = POSITIONS_AT_ONCE if same or not restarts else WORTHWHILE
        if len(chunk) == ROWS_AT_ONCE or (chunk and (len(chunk) + 1) * (n_pos - first) > most):
            yield chunk
            chunk = []
        chunk.append(index)
    if chunk:
        yield chunk
