"""How much an SAE leaves out: of the activations it reads, and of what the model then predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.result import Check

POSITIONS_AT_ONCE = 16  # of four runs: 64 rows of logits, 13 MB at GPT-2's vocabulary
LONG = 256  # positions from which runs go one by one: attention patterns grow with the square


@dataclass(frozen=True)
class Quality:
    """An SAE measured on one prompt; positions it does not read are left out of every mean and left as they were.

    `l0`: active features per position. `explained_variance`: 1 − mean squared error over the variance around the
    prompt's own mean; NaN for a single position. Cross-entropies in bits per token, over the tokens that follow the
    positions read: of the plain model, with the reconstruction in place of the activation (what it misses dropped),
    and with the prompt's mean in its place; NaN where no token follows.
    """

    l0: float
    explained_variance: float
    mean_squared_error: float
    cross_entropy: float
    cross_entropy_spliced: float
    cross_entropy_ablated: float

    @property
    def recovered(self) -> float:
        """Share of mean ablation's loss that the reconstruction saves: 1 keeps all; NaN where nothing is lost."""
        lost = self.cross_entropy_ablated - self.cross_entropy
        return (self.cross_entropy_ablated - self.cross_entropy_spliced) / lost if abs(lost) > 1e-6 else math.nan


def measure(
    model: Model,
    tokens: Tokens,
    hook: str,
    x: Float[Tensor, "pos d_model"],
    reconstruction: Float[Tensor, "pos d_model"],
    final: Float[Tensor, "pos d_model"],
    kept: Bool[Tensor, " pos"],
    l0: float,
) -> tuple[Quality, Check]:
    """Measure an SAE's reconstruction on a prompt.

    Args:
        model: The model.
        tokens: The prompt.
        hook: The site.
        x: Activations there.
        reconstruction: What the SAE makes of them; equal to `x` at positions it does not read.
        final: What leaves the last block in the plain run.
        kept: Which positions the SAE reads.
        l0: Mean number of active features, over `kept`.

    Returns:
        The measures, and the check that the reconstruction plus its error gives the model's own logits.
    """
    error = x - reconstruction
    mean = torch.where(kept[:, None], x[kept].mean(0), x)
    finals = _final_inputs(model, tokens, hook, torch.stack([reconstruction, reconstruction + error, mean]))
    surprisal, deviation = _surprisal(model, tokens, torch.cat([final[None], finals]))
    followed = kept[:-1]
    clean, spliced, _, ablated = surprisal[:, followed].double().mean(-1).tolist()
    squared = error[kept].double().square().sum(-1).mean()
    spread = (x[kept] - x[kept].mean(0)).double().square().sum(-1).mean()
    quality = Quality(
        l0=l0,
        explained_variance=float(1 - squared / spread) if int(kept.sum()) > 1 else math.nan,
        mean_squared_error=float(squared / x.shape[-1]),
        cross_entropy=clean,
        cross_entropy_spliced=spliced,
        cross_entropy_ablated=ablated,
    )
    return quality, Check("the reconstruction plus its error gives the model's logits", deviation, 1e-3)


@torch.no_grad()
def _final_inputs(
    model: Model, tokens: Tokens, hook: str, rows: Float[Tensor, "row pos d_model"]
) -> Float[Tensor, "row pos d_model"]:
    """What leaves the last block when each row of activations takes the place of the prompt's own."""
    groups = rows.split(1) if rows.shape[1] > LONG else [rows]
    return torch.cat([_final_input(model, tokens, hook, group) for group in groups])


def _final_input(model: Model, tokens: Tokens, hook: str, rows: Tensor) -> Tensor:
    instead = {hook: lambda value, hook: rows.to(value.dtype)}
    final = hooks.resid_post(model.n_layers - 1)
    return model.run_ids(model.rows([tokens.ids] * len(rows)), [final], changes=instead)[final]


def _surprisal(
    model: Model, tokens: Tokens, finals: Float[Tensor, "row pos d_model"]
) -> tuple[Float[Tensor, "row pos-1"], float]:
    """Bits of surprise at each next token, and how far row 2's logits are from row 0's."""
    following = torch.tensor(tokens.ids[1:], device=finals.device)
    bits, deviation = [], 0.0
    for start in range(0, finals.shape[1], POSITIONS_AT_ONCE):
        part = finals[:, start : start + POSITIONS_AT_ONCE]
        logits = model.cap(model.unembed(model.final_norm.apply(part))).float()
        deviation = max(deviation, float((logits[2] - logits[0]).abs().max()))
        next_ids = following[start : start + POSITIONS_AT_ONCE]
        logits = logits[:, : len(next_ids)]
        picked = logits.gather(-1, next_ids[None, :, None].expand(len(logits), -1, 1))[..., 0]
        bits.append((logits.logsumexp(-1) - picked) / math.log(2))
    return torch.cat(bits, dim=1), deviation
