"""Direct logit attribution of 144 heads and the rest: against `stack_head_results` and `logit_attrs`.

Both sides do the work of a first call on a prompt. Timed twice: from the activations of a finished forward pass, and
with the pass. Loupe's figure includes more than the other's: every MLP, both embeddings, biases, and each head's
contribution split over the tokens it read.
"""

from __future__ import annotations

import numpy as np
import torch
from transformer_lens.ActivationCache import ActivationCache

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, faster, in_turns
from mi_core.analyses.attribution import attribution
from mi_core.attribution.logit_parts import sites, take_apart
from mi_core.metrics.target import resolve
from mi_core.models.model import Model

REPETITIONS = 7


def measure() -> list[Row]:
    """Time without and with the forward pass, and how far the parts are from summing to the logit difference."""
    model = gpt2_size.opened()
    return [row for n_tokens in (16, 64) for row in _at(model, n_tokens)]


def _at(model: Model, n_tokens: int) -> list[Row]:
    prompt = gpt2_size.prompt(n_tokens)
    tokens = model.tokens(prompt, prepend_bos=False)
    ids = torch.tensor([tokens.ids])
    answer, foil = model.text(1000), model.text(1001)
    target = resolve(model, f'"{answer}"', f'"{foil}"', 0)
    with torch.no_grad():
        _, cache = model.bridge.run_with_cache(ids)
    acts = model.run(tokens, sites(model), query=n_tokens - 1)

    def usual_apart():
        fresh = ActivationCache(dict(cache.cache_dict), model.bridge)  # it keeps what it computed the first time
        return head_attributions(fresh, target.token_id, target.foil_id)

    @torch.no_grad()
    def usual_whole():
        return head_attributions(model.bridge.run_with_cache(ids)[1], target.token_id, target.foil_id)

    apart = in_turns(
        {"usual": usual_apart, "loupe": lambda: take_apart(model, acts, target, n_tokens - 1)}, REPETITIONS
    )
    ask = {"target": f'"{answer}"', "foil": f'"{foil}"', "prepend_bos": False}
    whole = in_turns({"usual": usual_whole, "loupe": lambda: attribution(model, prompt, **ask)}, REPETITIONS)
    found = attribution(model, prompt, **ask)
    error = abs(float(found.contribution.sum(dtype=np.float64)) - found.total) / np.abs(found.contribution).sum()
    task = f"direct logit attribution, {n_tokens} tokens"
    return [
        faster(f"{task}: from a finished pass", apart["usual"], apart["loupe"], 50),
        faster(f"{task}: with the forward pass", whole["usual"], whole["loupe"]),
        bounded(f"{task}: missing share of the sum", float(error), 1e-5, ""),
    ]


@torch.no_grad()
def head_attributions(cache: ActivationCache, answer: int, foil: int):
    """The usual way: every head's write at the last position and the rest, dotted with the answer's direction."""
    heads = cache.stack_head_results(layer=-1, pos_slice=-1, incl_remainder=True)
    return cache.logit_attrs(heads, tokens=answer, incorrect_tokens=foil, pos_slice=-1)
