"""What readers further on ask of a stream: their gradients, taken back through what lies between."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

NUMBERS_AT_ONCE = 4_000_000  # of the gradients of one batch of readers


def pull(
    out: Float[Tensor, "row pos ..."], inputs: Sequence[Tensor], back: Float[Tensor, "reader row pos ..."]
) -> tuple[Tensor | None, ...]:
    """Gradients of `out` · `back` for each input, [reader, row, pos, …]; None for an input that does not reach it.

    Args:
        out: What the readers read.
        inputs: Earlier activations of the same runs.
        back: What each reader reads of it.
    """
    step = max(1, NUMBERS_AT_ONCE // max(1, *(x.numel() for x in (out, *inputs))))
    found = [
        torch.autograd.grad(out, inputs, part, retain_graph=True, allow_unused=True, is_grads_batched=True)
        for part in back.split(step)
    ]
    return tuple(
        None if columns[0] is None else torch.cat([x for x in columns if x is not None])
        for columns in zip(*found, strict=True)
    )


def at_position(
    reads: Float[Tensor, "reader ..."], positions: Sequence[int], n_pos: int
) -> Float[Tensor, "reader pos ..."]:
    """Each reader's own numbers at its position, 0 elsewhere."""
    out = reads.new_zeros(len(reads), n_pos, *reads.shape[1:])
    out[torch.arange(len(reads)), torch.tensor(list(positions))] = reads
    return out
