"""Integrated gradients at 64 steps of all tokens: against a loop over the steps, a forward and a backward pass each.

Loupe takes as many steps in one batch as fill it, asks no weight for a gradient, and makes logits of the last position
only, in one product for all steps. Both sides end with the same scores. Loupe's figure is of the whole command: it also
reads the prompt, finds what takes the words' place, takes each word away, and grades both rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, faster, in_turns
from mi_core.analyses.input_attribution import input_attribution
from mi_core.models.loading import load
from mi_core.models.model import Model
from mi_core.saliency.gradient import integrated
from mi_core.saliency.opened import Opened, open_game

STEPS = 64
AT_LEAST = 3.0
REPETITIONS = 5
PLAIN = {
    "metric": "logit_difference", "players": "token", "pattern": "", "spans": "", "baseline": "mean",
    "baseline_token": "", "corrupted": "", "pos": None, "prepend_bos": None,
}  # fmt: skip


def measure() -> list[Row]:
    """Time of the integral alone and of the whole command, and how far the scores are apart."""
    mini, large = load("loupe-mini"), gpt2_size.opened()
    answer, foil = (f'"{large.text(token_id)}"' for token_id in (1000, 1001))
    return [
        *_of(mini, "The capital of Texas is", " Austin", " Paris", "loupe-mini, 6 tokens", whole=True),
        *_of(large, gpt2_size.prompt(16), answer, foil, "GPT-2 small's size, 16 tokens", whole=False),
    ]


def _of(model: Model, prompt: str, target: str, foil: str, where: str, *, whole: bool) -> list[Row]:
    opened = open_game(model, prompt, target=target, foil=foil, **PLAIN)
    ask = {"target": target, "foil": foil, "methods": ("integrated_gradients",), "n_steps": STEPS}
    ways = {"usual": lambda: usual(opened), "loupe": lambda: integrated(opened.game, STEPS)}
    if whole:
        ways["whole"] = lambda: input_attribution(model, prompt, **ask)
    seconds = in_turns(ways, REPETITIONS if whole else 1)
    found, _ = integrated(opened.game, STEPS)
    apart = np.abs(found - usual(opened)).max() / np.abs(found).max()
    task = f"integrated gradients, 64 steps, {where}"
    graded = [faster(f"{task}: the whole command, graded", seconds["usual"], seconds["whole"])] if whole else []
    return [
        faster(task, seconds["usual"], seconds["loupe"], AT_LEAST),
        *graded,
        bounded(f"{task}: apart from the loop's, share of the largest", float(apart), 1e-3, ""),
    ]


def usual(opened: Opened) -> np.ndarray:
    """The usual way: for each step put the embeddings in by a hook, and go back once."""
    game = opened.game
    start, way = game.away, game.x - game.away
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    total = torch.zeros_like(way)
    for share, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (start + float(share) * way)[None].requires_grad_(True)

        def put(value: Tensor, hook: object, point: Tensor = point) -> Tensor:
            return point

        logits = game.model.bridge.run_with_hooks(
            game.model.rows([game.ids]), fwd_hooks=[("blocks.0.hook_resid_pre", put)]
        )
        answer, foil = game.answer.ids[0], game.answer.foil_ids[0]
        (logits[0, -1, answer] - logits[0, -1, foil]).backward()
        total += float(weight) * point.grad[0]
    per_position = (way * total).sum(-1).detach().numpy()
    return np.array([per_position[list(player.positions)].sum() for player in game.players])
