"""Eight people ask at once about one model: right answers, and the time against a lock around `run_with_cache`."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from benchmarks import gpt2_size
from benchmarks.logit_lens import guesses
from benchmarks.timing import Row, bounded, faster, in_turns
from mi_core.jobs.engine import Engine
from mi_core.jobs.request import Request

USERS = 8
N_TOKENS = 16
REPETITIONS = 3


def measure() -> list[Row]:
    """Everyone opens the logit lens with a prompt of their own; a second time, all with the same prompt."""
    model = gpt2_size.opened()
    engine = Engine(load=lambda model_id, progress: model)
    lock, answers, fresh = threading.Lock(), [], itertools.count()

    def prompts() -> list[str]:
        return [gpt2_size.prompt(N_TOKENS, next(fresh)) for _ in range(USERS)]

    def locked(prompt: str) -> None:
        ids = torch.tensor([model.tokens(prompt, prepend_bos=False).ids])
        with lock:
            guesses(model.bridge, ids)

    def asked(prompt: str) -> None:
        request = Request.of("logit_lens", "gpt2-size", prompt=prompt, prepend_bos=False)
        answers.append((prompt, engine.run(request, session=threading.current_thread().name)))

    try:
        ways = {"locked": lambda all_: _at_once(locked, all_), "loupe": lambda all_: _at_once(asked, all_)}
        own = in_turns(ways, REPETITIONS, prompts)
        same = in_turns(ways, REPETITIONS, lambda: prompts()[:1] * USERS)
    finally:
        engine.close()
    wrong = sum(not _is_right(model, prompt, found) for prompt, found in answers)
    return [
        faster(f"{USERS} people at once, each a prompt of their own", own["locked"], own["loupe"]),
        faster(f"{USERS} people at once, the same prompt", same["locked"], same["loupe"], 1.8),
        bounded(f"{USERS} people at once: wrong answers of {len(answers)}", wrong, 0, "wrong"),
    ]


def _at_once(ask: Callable[[str], None], prompts: list[str]) -> None:
    with ThreadPoolExecutor(len(prompts)) as people:
        list(people.map(ask, prompts))


@torch.no_grad()
def _is_right(model, prompt: str, found) -> bool:
    """Whether every layer's guesses are those of the prompt read alone; only near-ties may change places."""
    ids = torch.tensor([model.tokens(prompt, prepend_bos=False).ids])
    alone = guesses(model.bridge, ids)
    return np.allclose(found.top_probabilities, alone.values.numpy(), rtol=1e-3, atol=1e-6)
