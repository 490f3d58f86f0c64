"""Logit lens, all layers and positions: against `run_with_cache`, stacked residuals, softmax and top-k."""

from __future__ import annotations

import torch

from benchmarks import gpt2_size, memory
from benchmarks.timing import Row, bounded, faster, in_turns
from mi_core.analyses.logit_lens import logit_lens
from mi_core.models.model import Model

REPETITIONS = 5
TOP_K = 5
EXTRA_MB = 40


def measure() -> list[Row]:
    """The same guesses at two lengths, the same set of numbers, and the memory either takes beside the model."""
    model = gpt2_size.opened()
    return [row for n_tokens in (16, 64) for row in _at(model, n_tokens)]


def _at(model: Model, n_tokens: int) -> list[Row]:
    prompt = gpt2_size.prompt(n_tokens)
    ids = torch.tensor([model.tokens(prompt, prepend_bos=False).ids])
    ways = {
        "guesses": lambda: guesses(model.bridge, ids),
        "everything": lambda: everything(model.bridge, ids),
        "loupe": lambda: logit_lens(model, prompt, top_k=TOP_K, prepend_bos=False),
    }
    seconds = in_turns(ways, REPETITIONS)
    task = f"logit lens, {n_tokens} tokens"
    rows = [
        faster(f"{task}: the user's code gives top {TOP_K} only", seconds["guesses"], seconds["loupe"], 1.7),
        faster(f"{task}: … also rank, entropy, KL, as Loupe does", seconds["everything"], seconds["loupe"]),
    ]
    if memory.is_measurable():
        usual = memory.peak_bytes(ways["guesses"]) / memory.MB
        extra = memory.peak_bytes(ways["loupe"]) / memory.MB
        rows.append(bounded(f"{task}: memory beside the model", extra, EXTRA_MB, "MB", f"{usual:.0f} MB"))
    return rows


@torch.no_grad()
def guesses(bridge, ids):
    """The usual way: every layer's and position's most likely tokens and their probabilities."""
    _, cache = bridge.run_with_cache(ids)
    resid = cache.accumulated_resid(layer=-1, incl_mid=False)[:, 0]
    return bridge.unembed(bridge.ln_final(resid)).softmax(-1).topk(TOP_K)


@torch.no_grad()
def everything(bridge, ids):
    """The usual way to all that Loupe's lens gives: guesses, the answer's rank, entropy and KL to the last layer."""
    _, cache = bridge.run_with_cache(ids)
    resid = cache.accumulated_resid(layer=-1, incl_mid=False)[:, 0]
    log_probs = bridge.unembed(bridge.ln_final(resid)).log_softmax(-1)
    probs = log_probs.exp()
    answer = log_probs[-1, -1].argmax()
    rank = (log_probs > log_probs[..., answer, None]).sum(-1) + 1
    entropy = -(probs * log_probs).sum(-1)
    kl = (probs[-1] * (log_probs[-1] - log_probs)).sum(-1)
    return probs.topk(TOP_K), probs[..., answer], rank, entropy, kl
