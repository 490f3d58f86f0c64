"""Text to measure a model on when none is given: written by the model itself, the same at every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from mi_core.models import kv_cache
from mi_core.models.model import Model
from mi_core.models.tokens import encode
from mi_core.text.sentences import SENTENCES

SEED = 0


@torch.no_grad()
def sampled_text(
    model: Model, start: Sequence[int], n_rows: int, n_tokens: int, between: Callable[[], None] | None = None
) -> Int[Tensor, "row pos"]:
    """`n_rows` texts drawn from the model's own distribution, `start` included.

    Args:
        model: The model.
        start: What every text begins with; at least one token.
        n_rows: How many texts.
        n_tokens: How many tokens to draw; fewer where the context ends.
        between: Called after every token, with no hooks active.
    """
    random = torch.Generator().manual_seed(SEED)
    rows = torch.tensor([list(start)] * n_rows)
    new, cache = rows, kv_cache.roomy(model, n_rows, len(start) + n_tokens)
    for _ in range(min(n_tokens, model.n_ctx - len(start))):
        logits = model.run_on(new.to(model.device), cache)
        new = torch.multinomial(logits[:, -1].float().cpu().softmax(-1), 1, generator=random)
        rows = torch.cat([rows, new], 1)
        if between is not None:
            between()
    return rows.to(model.device)


def start(model: Model) -> list[int]:
    """What text begins with: the beginning-of-sequence token, or the end of a text before, or a common word."""
    tokenizer = model.tokenizer
    special = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return encode(tokenizer, SENTENCES[0])[:1] if special is None else [special]
