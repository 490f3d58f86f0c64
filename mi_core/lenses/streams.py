"""Rows of tokens of a text file, and the residual streams that a lens learns from."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.models.tokens import encode
from mi_core.text.sampled import start

ROW = 64  # tokens of a row, where the context is as long
FEWEST = 4  # rows


def token_rows(model: Model, texts: Iterable[str], most: int) -> Int[Tensor, "row pos"]:
    """Texts as this model's tokens, one text after the other, in rows of equal length that begin as its texts do.

    Args:
        model: The model.
        texts: The texts.
        most: How many rows at most.

    Raises:
        InputError: There are too few tokens to learn from.
    """
    begins = start(model)
    length = min(ROW, model.n_ctx) - len(begins)
    ids: list[int] = []
    for text in texts:
        ids += [token for token in encode(model.tokenizer, text) if token < len(model.embedding)]
        if len(ids) >= most * length:
            break
    rows = [begins + ids[first : first + length] for first in range(0, len(ids) - length + 1, length)][:most]
    if len(rows) < FEWEST:
        raise InputError(
            f"The file has {len(ids):,} tokens, and a lens needs at least {FEWEST * length:,} to learn from: choose a "
            "longer one.",
            "file",
        )
    return model.rows(rows)


@torch.no_grad()
def streams(model: Model, rows: Int[Tensor, "row pos"]) -> list[Float[Tensor, "token d_model"]]:
    """The residual stream before every block and at the end, of all positions but the start."""
    names = model.resid_names()
    acts = model.run_ids(rows, names)
    return [acts[name][:, 1:].flatten(0, 1).float() for name in names]
