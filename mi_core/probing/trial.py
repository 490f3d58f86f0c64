"""A direction tried out in a run: taken out or pushed along, beside random directions of the same length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.metrics import distribution
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens

OPERATIONS = ("taken out", "pushed towards", "pushed away")
ROWS_AT_ONCE = 32
RARE = 0.95  # share of the random directions that must move less


@dataclass(frozen=True)
class Trial:
    """What one operation did to a prompt, for the direction (first row) and for every random one."""

    change: Float[np.ndarray, " row"]
    """Of the target's logit (difference)."""
    kl: Float[np.ndarray, " row"]
    """KL(changed ‖ plain) of the next token, in bits."""
    tops: tuple[int, ...]
    """[row] The likeliest next token."""
    left: float
    """What is left along the direction, less its mean, where it was taken out: the largest of all positions."""


def random_units(width: int, n: int, seed: int) -> Float[Tensor, "row width"]:
    """Directions of length 1, each way as likely as any other."""
    drawn = torch.randn(n, width, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def placebos(unit: Float[Tensor, " d_model"], n: int, seed: int) -> Float[Tensor, "row d_model"]:
    """The direction, and `n` random unit directions below it."""
    return torch.cat([unit[None].cpu(), random_units(len(unit), n, seed)]).to(unit.device)


@torch.no_grad()
def trial(
    model: Model,
    tokens: Tokens,
    pos: int,
    target: Target,
    hook: str,
    rows: Float[Tensor, "row d_model"],
    amounts: Callable[[Float[Tensor, "pos d_model"]], Float[Tensor, " pos"]],
    mean: float,
    between: Callable[[], None],
) -> Trial:
    """Add ``amount × direction`` at every position behind the start token, a row for each direction.

    Args:
        model: The model.
        tokens: The prompt.
        pos: Position that is read.
        target: What is read there.
        hook: Where it is added.
        rows: Unit directions; the first is the one in question, whose amounts all of them get.
        amounts: How much at each position, from the plain activations.
        mean: What the direction holds on average, for `Trial.left`.
        between: Called between chunks.
    """
    plain = model.run(tokens, [hook], pos)
    amount = amounts(plain[hook].float())
    amount[: int(tokens.has_bos)] = 0
    base, found, left = plain.logits[0].float(), [], 0.0
    for part in rows.split(ROWS_AT_ONCE):
        delta = amount[None, :, None] * part[:, None]
        changes = {hook: lambda value, hook, delta=delta: value + delta.to(value)}
        acts = model.run_ids(model.rows([tokens.ids] * len(part)), [hook], pos, changes=changes)
        if not found:
            along = acts[hook][0, int(tokens.has_bos) :].float() @ part[0]
            left = float((along - mean).abs().max()) if len(along) else 0.0
        found.append(acts.logits[:, 0].float())
        between()
    logits = torch.cat(found)
    kl = distribution.kl_bits(logits.double().log_softmax(-1), base.double().log_softmax(-1)).clamp(min=0.0)
    change = target.of(logits) - target.of(base)
    return Trial(change.cpu().numpy(), kl.float().cpu().numpy(), tuple(logits.argmax(-1).tolist()), left)


def beaten(values: Sequence[float] | np.ndarray) -> int:
    """How many of the random directions move less than the first."""
    size = np.abs(np.asarray(values))
    return int((size[1:] < size[0]).sum())
