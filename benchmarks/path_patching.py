"""Path patching to the answer and to one head: against the loop of `run_with_hooks` one would write.

The loop keeps both prompts' activations, and for every sending head runs the whole prompt with that head exchanged and
all later attention held; for a head as receiver what arrives there is put into a second run. Timing all senders takes
minutes, so every n-th is timed, half of them before Loupe's run and half after it, and the whole is taken to last as
many times longer; the paths that were timed are also compared. Loupe's analysis is timed whole, its runs of both
prompts and of the receiver's three inputs included. The processor's own time is counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, faster
from mi_core.analyses.path_patching import path_patching
from mi_core.models import hooks
from mi_core.models.model import Activations, Model

ROUNDS, EVERY = 3, 13  # an odd stride meets every head number
N_POS, SHARED = 16, 8
RECEIVER = 6  # its layer and its head
TARGETS = {"logits": 15, f"L{RECEIVER}H{RECEIVER}": 8}  # times faster


def measure() -> list[Row]:
    """Times, and how far the values are from the loop's."""
    model = gpt2_size.opened()
    return [row for receiver, target in TARGETS.items() for row in _compared(model, receiver, target)]


def _compared(model: Model, receiver: str, target: float) -> list[Row]:
    clean, other = (gpt2_size.prompt(N_POS, seed=seed).split(" ") for seed in (0, 1))
    ask = {
        "corrupted": " ".join(clean[:SHARED] + other[SHARED:]), "receiver": receiver, "target": '"ab"', "foil": '"cd"',
        "input": "auto" if receiver == "logits" else "v", "prepend_bos": False,
    }  # fmt: skip
    layers = range(model.n_layers if receiver == "logits" else RECEIVER)
    heads = [(layer, head) for layer in layers for head in range(model.n_heads)]
    timed, usual, loupe, error = heads[::EVERY], [], [], 0.0
    for _ in range(ROUNDS):
        before, seconds = _loop(model, " ".join(clean), ask, timed[::2])
        began = time.process_time()
        found = path_patching(model, " ".join(clean), **ask)
        loupe.append(time.process_time() - began)
        after, more = _loop(model, " ".join(clean), ask, timed[1::2])
        usual.append((seconds + more) / len(timed) * len(heads))
        value = dict(zip(zip(found.component_layers, found.component_heads, strict=True), found.value, strict=True))
        own = np.array([value[head] for head in timed[::2] + timed[1::2]])
        error = max(error, float(np.abs(own - np.array(before + after)).max()))
    to = "the answer" if receiver == "logits" else f"the values of {receiver}"
    task = f"path patching, {len(heads)} heads to {to}, {N_POS} tokens"
    return [
        faster(task, statistics.median(usual), statistics.median(loupe), target),
        bounded(f"{task}: largest error", error, 1e-3, "logits"),
    ]


@torch.no_grad()
def _loop(model: Model, clean: str, ask: dict, senders: Sequence[tuple[int, int]]) -> tuple[list[float], float]:
    """The logit difference with each head's path put in, the usual way, and the seconds of these paths alone."""
    tokens = [model.tokens(text, False) for text in (clean, ask["corrupted"])]
    names = [name for layer in range(model.n_layers) for name in (hooks.z(layer), hooks.attn_out(layer))]
    source, base = (model.run(each, names) for each in tokens)
    answers = [model.token_id(ask[name]) for name in ("target", "foil")]
    user = _User(model, torch.tensor([list(tokens[1].ids)]), source, base)
    began = time.process_time()
    rows = [user.path(*sender, to_logits=ask["receiver"] == "logits") for sender in senders]
    seconds = time.process_time() - began
    return [float(row[answers[0]] - row[answers[1]]) for row in rows], seconds


@dataclass(frozen=True)
class _User:
    """Somebody who writes path patching down as it is defined."""

    model: Model
    ids: torch.Tensor
    source: Activations
    base: Activations

    def path(self, layer: int, head: int, *, to_logits: bool) -> torch.Tensor:
        """Logits of the last position with what one head sends put in."""
        arrived = {}

        def send(z, hook):
            z[0, :, head] = self.source[hooks.z(layer)][:, head]
            return z

        def hold(out, hook, later):
            return self.base[hooks.attn_out(later)][None].expand_as(out)

        def catch(v, hook):
            arrived["v"] = v[0, :, RECEIVER].clone()

        last = self.model.n_layers if to_logits else RECEIVER
        held = [(hooks.attn_out(later), partial(hold, later=later)) for later in range(layer + 1, last)]
        changes = [(hooks.z(layer), send), *held]
        if to_logits:
            return self._run(changes)
        self._run([*changes, (hooks.v(RECEIVER), catch)])

        def receive(v, hook):
            v[0, :, RECEIVER] = arrived["v"]
            return v

        return self._run([(hooks.v(RECEIVER), receive)])

    def _run(self, changes: list) -> torch.Tensor:
        return self.model.bridge.run_with_hooks(self.ids, fwd_hooks=changes)[0, -1]
