"""The search for a circuit against the loop one would write: `run_with_hooks`, one circuit at a time.

Both run the same circuits exactly: of heads and MLPs kept, all else as it is in the corrupted prompt. Loupe's search is
timed whole, with its scores, random circuits and single cuts. The loop is spared the scores: of as many circuits as the
search runs every n-th is timed, half before and half after, and the whole is taken to last as many times longer. The
values of those that were timed are compared. The processor's own time is counted, of one thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, faster
from mi_core.analyses.circuit import circuit
from mi_core.circuits import curve, family, graph
from mi_core.circuits.node_runs import NodeRuns
from mi_core.circuits.outside import Outside, outside
from mi_core.models.loading import load
from mi_core.models.model import Model

TIMED = 24  # circuits of the loop
SHARES = (0.1, 0.3, 0.5, 0.7)
STORY = "When Mary and John went to the store, {} gave a drink to"


def measure() -> list[Row]:
    """The built-in model, and heads of one of GPT-2 small's size."""
    large = gpt2_size.opened()
    prompts = (gpt2_size.prompt(16, seed=0), gpt2_size.prompt(16, seed=1))
    named = {"target": '"ab"', "foil": '"cd"', "prepend_bos": False}
    return [
        *_compared(load("loupe-mini"), (STORY.format("John"), STORY.format("Mary")), "loupe-mini", {}),
        *_compared(large, prompts, "144 heads, 16 tokens", named),
    ]


def _compared(model: Model, prompts: tuple[str, str], name: str, named: dict[str, Any]) -> list[Row]:
    clean, corrupted = prompts
    asked = family.Asked(clean, corrupted, named.get("target", ""), named.get("foil", ""))
    (case,) = family.cases(model, [asked], None, named.get("prepend_bos"))
    runs = NodeRuns(model, graph.nodes(model, "head"))
    (instead,) = outside(model, [case], [True], runs.hooks, "resample")
    size = [round(share * runs.n_parts) for share in SHARES]
    draws = TIMED // len(size)
    masks = curve.drawn(runs.n_parts, size, draws, np.random.default_rng(0)).reshape(-1, runs.n_parts)
    first, before = _loop(runs, case, instead, masks[::2])
    counted: list[int] = []
    began = time.process_time()
    circuit(
        model, clean, corrupted=corrupted, parts="head", ablation="resample", **named,
        progress=lambda done, total, partial: counted.append(total),
    )  # fmt: skip
    loupe = time.process_time() - began
    second, after = _loop(runs, case, instead, masks[1::2])
    usual = (before + after) / len(masks) * counted[-1]
    exact = runs.values(case, instead, masks, lambda done: None)
    error = np.abs(exact - np.stack([first, second], axis=1).ravel()).max() / np.abs(exact).max()
    task = f"search for a circuit, {name}, {counted[-1]} circuits"
    return [
        faster(task, usual, loupe),
        bounded(f"{task}: largest error, share of the largest logit", float(error), 1e-5, ""),
    ]


@torch.no_grad()
def _loop(runs: NodeRuns, case: family.Case, instead: Outside, masks: np.ndarray) -> tuple[np.ndarray, float]:
    """The usual way: for each circuit a full forward pass, with a hook at every layer; values, and the seconds."""
    ids = torch.tensor([list(case.ids)])
    began = time.process_time()
    found = [float(case.target.of(_plain_run(runs, ids, instead, mask))) for mask in masks]
    return np.array(found), time.process_time() - began


def _plain_run(runs: NodeRuns, ids: torch.Tensor, instead: Outside, mask: Sequence[bool]) -> torch.Tensor:
    def put(name: str, out: torch.Tensor):
        def hook(x, hook):
            x[0][:, out] = instead[name][:, out]
            return x

        return hook

    hooks: list[Any] = [(name, put(name, ~torch.tensor(mask[part]))) for name, part in runs.nodes.at.items()]
    return runs.model.bridge.run_with_hooks(ids, fwd_hooks=hooks)[0, -1]
