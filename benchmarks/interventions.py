"""Patching maps, exact and estimated, and every head knocked out: against the loop of `run_with_hooks` one would write.

The loop runs one full forward pass per cell. Timing all of its cells takes minutes, so every n-th is timed, spread
evenly over layers and positions, half of them before Loupe's run and half after it, and the whole is taken to last as
many times longer; the cells that were timed are also compared. Loupe's runs are timed whole. Both sides use one thread,
and the processor's own time is counted, which other work on the machine does not lengthen as it does the clock's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks import gpt2_size, memory
from benchmarks.timing import Row, bounded, faster
from mi_core.analyses.patching import patching
from mi_core.attribution import attribution_patching
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.sweep import sweep
from mi_core.models.hooks import SITES
from mi_core.models.model import Model

ROUNDS = {16: 3, 64: 1}  # by tokens
TIMED = {16: 13, 64: 61}  # odd strides meet every position and head
PATCHING = {16: 12, 64: 8}  # times faster
WITH_PREFIX = {16: 20, 64: 15}
ABLATION = {16: 8, 64: 5}
FOUR_MAPS = ("resid_pre", "attn_out", "mlp_out", "z")

Values = np.ndarray | torch.Tensor


def measure() -> list[Row]:
    """Times, how far the values are from the loop's, and the memory that the maps take beyond the model's."""
    model = gpt2_size.opened()
    rows = []
    for n_pos in PATCHING:
        rows += _patching(model, n_pos, 0, PATCHING[n_pos])
        rows += _patching(model, n_pos, n_pos // 2, WITH_PREFIX[n_pos])
        rows += _heads(model, n_pos, ABLATION[n_pos])
    return [*rows, *_estimate(model, 16)]


def _prompts(n_pos: int, shared: int) -> tuple[str, str]:
    clean, other = (gpt2_size.prompt(n_pos, seed=seed).split(" ") for seed in (0, 1))
    return " ".join(clean), " ".join(clean[:shared] + other[shared:])


def _patching(model: Model, n_pos: int, shared: int, target: float) -> list[Row]:
    """The map of the residual stream by layer and position."""
    clean, corrupted = _prompts(n_pos, shared)
    ids = model.tokens(corrupted, False).ids
    stream = model.run(model.tokens(clean, False), [SITES["resid_pre"](layer) for layer in range(model.n_layers)])
    cells = [
        Intervention("resid_pre", layer, stream[SITES["resid_pre"](layer)][pos], first=pos, end=pos + 1)
        for layer in range(model.n_layers)
        for pos in range(n_pos)
    ]
    ask = {"corrupted": corrupted, "target": '"ab"', "foil": '"cd"', "prepend_bos": False}
    answers = [model.token_id(ask[name]) for name in ("target", "foil")]

    def difference(logits: torch.Tensor) -> torch.Tensor:
        return logits[answers[0]] - logits[answers[1]]

    name = f"exact patching, {len(cells)} cells, {n_pos} tokens" + (f", the first {shared} alike" if shared else "")
    return _compared(model, ids, cells, lambda: patching(model, clean, **ask).value.ravel(), difference, name, target)


def _heads(model: Model, n_pos: int, target: float) -> list[Row]:
    """Every head set to zero; the logits of many tokens are compared."""
    ids = model.tokens(_prompts(n_pos, 0)[0], False).ids
    cells = [Intervention("z", layer, 0.0, head=h) for layer in range(model.n_layers) for h in range(model.n_heads)]

    def read(logits: torch.Tensor) -> torch.Tensor:
        return logits[..., :1000]

    def run() -> Values:
        return sweep(model, ids, [(cell,) for cell in cells], read).values

    return _compared(model, ids, cells, run, read, f"ablation of {len(cells)} heads, {n_pos} tokens", target)


@torch.no_grad()
def _compared(
    model: Model,
    ids: Sequence[int],
    cells: Sequence[Intervention],
    run: Callable[[], Values],
    read: Callable[[torch.Tensor], torch.Tensor],
    task: str,
    target: float,
) -> list[Row]:
    usual, loupe, error, extra = [], [], 0.0, 0
    timed = list(range(0, len(cells), TIMED[len(ids)]))
    for _ in range(ROUNDS[len(ids)]):
        expected, seconds = _loop(model, ids, [cells[i] for i in timed[::2]])
        before = memory.start_peak() if memory.is_measurable() else 0
        began = time.process_time()
        found = torch.as_tensor(run())
        loupe.append(time.process_time() - began)
        extra = max(extra, memory.peak_so_far() - before if memory.is_measurable() else 0)
        later, more = _loop(model, ids, [cells[i] for i in timed[1::2]])
        usual.append((seconds + more) / len(timed) * len(cells))
        rows = list(zip(timed[::2] + timed[1::2], expected + later, strict=True))
        scale = max(float(row.abs().max()) for _, row in rows)
        error = max(error, *(float((found[i] - read(row)).abs().max()) / scale for i, row in rows))
    return [
        faster(task, statistics.median(usual), statistics.median(loupe), target),
        bounded(f"{task}: largest error, share of the largest logit", error, 1e-5, ""),
        bounded(f"{task}: memory beyond the model's", extra / 2**20, 200, "MB"),
    ]


def _estimate(model: Model, n_pos: int) -> list[Row]:
    """Four maps from both runs and one backward pass, against the same maps by the loop."""
    clean, corrupted = (model.tokens(text, False) for text in _prompts(n_pos, 0))
    names = [SITES[site](layer) for site in FOUR_MAPS for layer in range(model.n_layers)]
    cells = [Intervention("resid_pre", layer, 0.0, first=layer, end=layer + 1) for layer in range(model.n_layers)]
    n_cells = model.n_layers * (3 * n_pos + model.n_heads)
    usual, loupe = [], []
    for _ in range(ROUNDS[n_pos]):
        usual.append(_loop(model, corrupted.ids, cells)[1] / len(cells) * n_cells)
        began = time.process_time()
        source = model.run(clean, names)
        found = attribution_patching.effects(
            model, corrupted.ids, {name: source[name] for name in names}, lambda row: row[0]
        )
        for name in names:
            found[name].sum((0, -1) if name.endswith("hook_z") else -1)
        loupe.append(time.process_time() - began)
    task = f"estimate of four maps, {n_cells} cells, {n_pos} tokens"
    return [faster(task, statistics.median(usual), statistics.median(loupe), 300)]


@torch.no_grad()
def _loop(model: Model, ids: Sequence[int], cells: Sequence[Intervention]) -> tuple[list[torch.Tensor], float]:
    """Logits of the last position for each cell, the usual way, and the seconds they took."""
    began = time.process_time()
    return [plain_run(model, ids, cell) for cell in cells], time.process_time() - began


def plain_run(model: Model, ids: Sequence[int], cell: Intervention) -> torch.Tensor:
    """The usual way: one full forward pass with one hook; logits of the last position."""
    where = slice(cell.first, cell.end) if cell.head is None else (slice(cell.first, cell.end), cell.head)

    def put(x, hook):
        x[0][where] = cell.value
        return x

    return model.bridge.run_with_hooks(torch.tensor([list(ids)]), fwd_hooks=[(cell.hook, put)])[0, -1]
