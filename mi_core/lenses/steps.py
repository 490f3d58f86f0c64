"""The logit lens at several positions at once, each with an answer of its own: inside every step of a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.metrics import distribution
from mi_core.models.model import Model

STEPS_AT_ONCE = 32  # rows of logits, twice: 13 MB at GPT-2's vocabulary


@dataclass(frozen=True)
class StepsLens:
    """What each layer reads at each step: its top guess, and how it stands to the token that was written there.

    Stage 0 is the embeddings, the last one the model's output. Probabilities from 0 to 1, ranks from 1, entropy and
    KL(final ‖ stage) in bits.
    """

    prediction_ids: Int[np.ndarray, "stage step"]
    probability: Float[np.ndarray, "stage step"]
    target_probability: Float[np.ndarray, "stage step"]
    target_rank: Int[np.ndarray, "stage step"]
    entropy: Float[np.ndarray, "stage step"]
    kl_to_final: Float[np.ndarray, "stage step"]
    error: float
    """The largest distance of the last stage's logits from the model's own."""


@torch.no_grad()
def steps_lens(
    model: Model,
    resid: Float[Tensor, "stage step d_model"],
    logits: Float[Tensor, "step d_vocab"],
    ids: Sequence[int],
) -> StepsLens:
    """Read every stage of the residual stream with the final norm, recomputed, and the unembedding.

    Args:
        model: The model.
        resid: The stream before every block and after the last, at the position that each step is predicted from.
        logits: The model's own there.
        ids: The token that was written at each step.
    """
    written = torch.tensor(list(ids), device=resid.device)
    parts = [
        _read(model, *part)
        for part in zip(
            resid.split(STEPS_AT_ONCE, dim=1), logits.split(STEPS_AT_ONCE), written.split(STEPS_AT_ONCE), strict=True
        )
    ]
    rows = {name: torch.cat([part[name] for part in parts], 1).numpy(force=True) for name in parts[0]}
    error = float(rows.pop("error").max())
    return StepsLens(**rows, error=error)


def _read(
    model: Model,
    resid: Float[Tensor, "stage step d_model"],
    logits: Float[Tensor, "step d_vocab"],
    written: Int[Tensor, " step"],
) -> dict[str, Tensor]:
    """Every field of some steps, [stage, step]; one stage's logits are held at a time."""
    final = logits.float().log_softmax(-1)
    stages = []
    for stage in resid:
        read = model.cap(model.unembed(model.final_norm.apply(stage))).float()
        log_probability = read.log_softmax(-1)
        best = log_probability.max(-1)
        answer = log_probability.gather(-1, written[:, None])
        entropy = distribution.log_normaliser_and_entropy(read)[1]
        stages.append(
            {
                "prediction_ids": best.indices,
                "probability": best.values.exp(),
                "target_probability": answer[:, 0].exp(),
                "target_rank": (read > read.gather(-1, written[:, None])).sum(-1) + 1,
                "entropy": entropy / math.log(2),
                "kl_to_final": distribution.kl_bits(final, log_probability).clamp(min=0.0),
                "error": (read - logits).abs().amax(-1),
            }
        )
    return {name: torch.stack([stage[name] for stage in stages]) for name in stages[0]} | {
        "error": stages[-1]["error"][None]
    }
