"""Steered text, 5 strengths × 30 tokens: against the loop over `run_with_hooks`, and batched `bridge.generate`.

The loop is what one writes first: for every strength and every token, one full pass over all that is written so far.
Timed for one strength and taken to last five times longer. `generate` is the better way: the strengths are the rows of
one batch, and its key-value cache is on. One of the strengths is 0, which is Loupe's unsteered row. All write greedily,
and must write the same tokens. The processor's time is counted, since the three need the same cores. Of `generate` and
Loupe most of it goes into the very same products of five rows with the weights.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, faster
from mi_core.directions.direction import Direction
from mi_core.directions.steering_vector import SteeringVector, steering_hooks
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.text.generation import generate

STRENGTHS = (0.0, -1.0, -0.5, 0.5, 1.0)
NEW_TOKENS = 30
LAYER = 6
ROUNDS = 3
HOOK = hooks.resid_pre(LAYER)


def measure() -> list[Row]:
    """Time of the three ways for a short and a longer prompt, and how often their tokens differ."""
    model = gpt2_size.opened()
    return [row for n_tokens in (16, 64) for row in _at(model, n_tokens)]


@torch.no_grad()
def _at(model: Model, n_tokens: int) -> list[Row]:
    tokens = model.tokens(gpt2_size.prompt(n_tokens), prepend_bos=False)
    ids = torch.tensor([tokens.ids])
    unit = torch.nn.functional.normalize(torch.randn(model.d_model, generator=torch.Generator().manual_seed(0)), dim=-1)
    norm = float(model.run(tokens, [HOOK])[HOOK].norm(dim=-1).mean())
    vector = SteeringVector(Direction(unit, LAYER, "random"), HOOK, norm)
    pushes = torch.tensor(STRENGTHS)[:, None, None] * norm * unit

    def batched() -> list[list[int]]:
        with model.bridge.hooks(fwd_hooks=[(HOOK, lambda x, hook: x + pushes)]):
            out = model.bridge.generate(
                ids.repeat(len(STRENGTHS), 1), max_new_tokens=NEW_TOKENS, do_sample=False, stop_at_eos=False,
                verbose=False, return_type="tokens",
            )  # fmt: skip
        return out[:, n_tokens:].tolist()

    def loupe() -> list[list[int | None]]:
        steered = steering_hooks([vector], [(strength,) for strength in STRENGTHS[1:]], "all", tokens)
        steps = generate(model, tokens.ids, len(STRENGTHS), max_new_tokens=NEW_TOKENS, hooks=steered)
        return [list(row) for row in zip(*(step.ids for step in steps), strict=True)]

    seconds: dict[Callable, list[float]] = {batched: [], loupe: []}
    written = {}
    for _ in range(ROUNDS):
        for way, taken in seconds.items():
            began = time.process_time()
            written[way] = way()
            taken.append(time.process_time() - began)
    began = time.process_time()
    looped = [loop(model, ids, pushes[-1])]
    usual = (time.process_time() - began) * len(STRENGTHS)
    middle = {way: statistics.median(taken) for way, taken in seconds.items()}
    task = f"steered text, {len(STRENGTHS)} strengths × {NEW_TOKENS} tokens after {n_tokens}"
    differing = max(_differing(written[loupe][-1:], looped), _differing(written[loupe], written[batched]))
    return [
        faster(f"{task}, against a loop of run_with_hooks", usual, middle[loupe], 10),
        faster(f"{task}, against generate with hooks", middle[batched], middle[loupe], 1.5),
        bounded(f"{task}: share of tokens that differ", differing, 0, ""),
    ]


def loop(model: Model, ids: torch.Tensor, push: torch.Tensor) -> list[int]:
    """The usual way, for one strength: the whole text anew for each token, with one hook."""
    row = ids
    for _ in range(NEW_TOKENS):
        logits = model.bridge.run_with_hooks(row, fwd_hooks=[(HOOK, lambda x, hook: x + push)])
        row = torch.cat([row, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return row[0, ids.shape[1] :].tolist()


def _differing(one: list[list[int | None]], other: list[list[int]]) -> float:
    pairs = [(a, b) for row, column in zip(one, other, strict=True) for a, b in zip(row, column, strict=True)]
    return sum(a is not None and a != b for a, b in pairs) / len(pairs)
