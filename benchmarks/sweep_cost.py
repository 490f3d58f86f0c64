"""What a sweep is foretold to take, against what it then takes: how many times too much or too little."""

from __future__ import annotations

import time

from benchmarks import gpt2_size, memory
from benchmarks.timing import Row, bounded
from mi_core.interventions import cost
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import sweep
from mi_core.metrics.metric import Metrics
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Model

LENGTHS = (16, 64)


def measure() -> list[Row]:
    """Seconds and memory of patching a site, and of knocking all heads out."""
    model = gpt2_size.opened()
    return [
        row for n in LENGTHS for name, cells in _sweeps(model, n).items() for row in _compared(model, n, name, cells)
    ]


def _sweeps(model: Model, n: int) -> dict[str, list[Run]]:
    """Cells of two sweeps over a prompt of `n` tokens."""
    stream = model.run(model.tokens(gpt2_size.prompt(n, seed=0), prepend_bos=False), model.resid_names())
    layers = range(model.n_layers)
    return {
        "patching": [
            (Intervention("resid_pre", layer, stream[hooks.resid_pre(layer)][pos], first=pos, end=pos + 1),)
            for layer in layers
            for pos in range(n)
        ],
        "ablation": [(Intervention("z", layer, 0.0, head=head),) for layer in layers for head in range(model.n_heads)],
    }


def _compared(model: Model, n: int, name: str, cells: list[Run]) -> list[Row]:
    tokens = model.tokens(gpt2_size.prompt(n, seed=1), prepend_bos=False)
    read = Metrics(Target(5, "five", None, None), model.run(tokens).logits[0])
    sweep(model, tokens.ids, cells[:20], read)
    foretold = cost.foretell(model, tokens.ids, cells)
    before = memory.start_peak() if memory.is_measurable() else 0
    began = time.perf_counter()
    sweep(model, tokens.ids, cells, read)
    seconds = time.perf_counter() - began
    task = f"{name}, {len(cells)} cells, {n} tokens"
    rows = [bounded(f"{task}: seconds foretold, times off", _off(foretold.seconds, seconds), 2, "")]
    if memory.is_measurable():
        used = memory.peak_so_far() - before
        rows.append(bounded(f"{task}: memory foretold, times off", _off(foretold.bytes, used), 2, ""))
    return rows


def _off(foretold: float, met: float) -> float:
    return max(foretold / met, met / foretold)
