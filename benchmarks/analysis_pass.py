"""One pass of the model that leaves residuals, patterns and the last logits: against `run_with_cache`."""

from __future__ import annotations

import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, faster, in_turns
from mi_core.models import hooks

REPETITIONS = 9


def measure() -> list[Row]:
    """Both with gradients off; the usual way keeps everything, Loupe what is asked for."""
    model = gpt2_size.opened()
    names = model.resid_names() + [hooks.pattern(layer) for layer in range(model.n_layers)]
    rows = []
    for n_tokens in (16, 64):
        tokens = model.tokens(gpt2_size.prompt(n_tokens), prepend_bos=False)
        ids = torch.tensor([tokens.ids])
        ways = {
            "usual": torch.no_grad()(lambda ids=ids: model.bridge.run_with_cache(ids)),
            "loupe": lambda tokens=tokens: model.run(tokens, names),
        }
        seconds = in_turns(ways, REPETITIONS)
        rows.append(faster(f"analysis pass, {n_tokens} tokens", seconds["usual"], seconds["loupe"], 1.8))
    return rows
