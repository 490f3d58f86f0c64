"""What a sweep will take, foretold from running a small part of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mi_core.interventions.restart import Restart, Run, begin
from mi_core.interventions.sweep import chunks, reproducing, whole
from mi_core.metrics.metric import METRIC_ROWS
from mi_core.models.model import Model

PROBE_POSITIONS = 128  # rows × positions: enough that time grows in proportion from there
FLOAT, DOUBLE = 4, 8  # bytes
BLOCK_WIDTHS = 24  # numbers per position that a block holds at once, in units of d_model: its MLP's above all
ROOM = 32 * 10**6  # bytes that the allocator keeps beside what is asked of it


@dataclass(frozen=True)
class SweepCost:
    """`runs` of the model, `seconds` on this machine as busy as it is now, `bytes` beside the model's weights."""

    runs: int
    seconds: float
    bytes: int


def foretell(model: Model, ids: Sequence[int], runs: Sequence[Run]) -> SweepCost:
    """What `sweep.sweep` of these runs will take.

    Args:
        model: The model.
        ids: The prompt, up to the position that is read.
        runs: Interventions of each.
    """
    began = time.perf_counter()
    restart, _ = reproducing(model, ids)
    setting_up = time.perf_counter() - began
    chunked = [[runs[index] for index in chunk] for chunk in chunks(runs, len(ids), restart is not None)]
    work = [_work(model, len(ids), rows, restart is not None) for rows in chunked]
    sample = [chunked[index] for index in sorted({len(chunked) * quarter // 4 for quarter in (1, 2, 3)})]
    per_chunk, per_work = _pace(model, ids, restart, sample)
    seconds = setting_up + sum(per_chunk + per_work * each for each in work)
    return SweepCost(len(runs), seconds, max(_bytes(model, len(ids), rows, restart is not None) for rows in chunked))


def _pace(model: Model, ids: Sequence[int], restart: Restart | None, sample: list[list[Run]]) -> tuple[float, float]:
    """Seconds that any chunk takes, and seconds per unit of work, from one row and from more of each sampled chunk."""
    some = [rows[: max(1, PROBE_POSITIONS // (len(ids) - (begin(rows[-1])[0] if restart else 0)))] for rows in sample]
    small, large = (
        sum(_work(model, len(ids), part, restart is not None) for part in parts)
        for parts in ([rows[:1] for rows in some], some)
    )
    _seconds(model, ids, restart, some[:1])  # the first meets cold caches
    short = _seconds(model, ids, restart, [rows[:1] for rows in some])
    long = _seconds(model, ids, restart, some)
    per_work = (long - short) / (large - small) if large > small and long > short else long / large
    return max(short - per_work * small, 0.0) / len(sample), per_work


def _seconds(model: Model, ids: Sequence[int], restart: Restart | None, parts: list[list[Run]]) -> float:
    began = time.perf_counter()
    for rows in parts:
        if restart is None:
            whole(model, ids, rows)
        else:
            restart.run(rows)
    return time.perf_counter() - began


def _work(model: Model, n_pos: int, rows: list[Run], restarts: bool) -> float:
    """Positions that pass through a block; unembedding counts as the blocks that have as many weights."""
    first = min(begin(row)[0] for row in rows) if restarts else 0
    unembedding = model.d_vocab / (12 * model.d_model)
    layers = [model.n_layers - (begin(row)[1] if restarts else 0) for row in rows]
    return sum(layers) * (n_pos - first) + len(rows) * unembedding


def _bytes(model: Model, n_pos: int, rows: list[Run], restarts: bool) -> int:
    """A block's activations, one pattern, the keys and values, and the logits with what is read of them."""
    first = min(begin(row)[0] for row in rows) if restarts else 0
    n = len(rows)
    block = n * (n_pos - first) * BLOCK_WIDTHS * model.d_model
    patterns = 3 * n * model.n_heads * (n_pos - first) * n_pos
    keys_and_values = 4 * n * n_pos * model.d_model
    plain_run = 3 * model.n_layers * n_pos * model.d_model
    logits = 2 * n * model.d_vocab
    read = 3 * DOUBLE * min(n, METRIC_ROWS) * model.d_vocab
    return ROOM + FLOAT * (max(block + patterns + keys_and_values, logits) + plain_run) + read
