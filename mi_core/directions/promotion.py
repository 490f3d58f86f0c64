"""What directions say to the vocabulary, if they go straight to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.metrics import distribution
from mi_core.models.model import Model

ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Promotion:
    """The tokens that directions raise and lower most, a row per direction.

    Effects are logits per unit of the direction, before the division by the final norm's scale; see `promotion`.
    `promoted` and `suppressed` are the texts of the ids, flattened.
    """

    promoted_ids: Int[np.ndarray, "direction k"]
    promoted_effects: Float[np.ndarray, "direction k"]
    promoted: tuple[str, ...]
    suppressed_ids: Int[np.ndarray, "direction k"]
    suppressed_effects: Float[np.ndarray, "direction k"]
    suppressed: tuple[str, ...]

    def columns(self, names: Sequence[int]) -> dict[str, np.ndarray]:
        """Columns `feature` (from `names`, one per direction), `token`, `effect`, `direction`, promoted ones first."""
        n, k = self.promoted_ids.shape
        texts = np.array([self.promoted, self.suppressed], dtype=object).reshape(2, n, k)
        effects = np.stack([self.promoted_effects, self.suppressed_effects])
        side, row, _ = np.indices((2, n, k))
        order = np.argsort(row, axis=None, kind="stable")
        return {
            "feature": np.asarray(names, dtype=int)[row.ravel()[order]],
            "token": texts.ravel()[order],
            "effect": effects.ravel()[order],
            "direction": np.array(["promoted", "suppressed"], dtype=object)[side.ravel()[order]],
        }


def promotion(model: Model, directions: Float[Tensor, "direction d_model"], k: int) -> Promotion:
    """What each direction would add to the logits if it went straight to the end.

    ``linear(d) · W_U``, with the final norm's weight and, in a LayerNorm, its centring; less its mean over the
    vocabulary, on which no probability depends. This is the direct path alone: what later layers make of the
    direction is not in it.

    Args:
        model: Whose vocabulary is meant.
        directions: In the residual stream, at any layer.
        k: How many tokens to keep on each side.
    """
    k = min(k, model.d_vocab)
    linear = model.final_norm.linear(directions.to(model.device))
    silent = model.unembed(torch.zeros_like(linear[:1]))  # b_U, where there is one
    best, worst = [], []
    for start in range(0, len(linear), ROWS_AT_ONCE):
        effects = model.unembed(linear[start : start + ROWS_AT_ONCE]) - silent
        effects -= effects.mean(-1, keepdim=True)
        best.append(distribution.top_k(effects, k))
        worst.append(distribution.top_k(-effects, k))
    promoted = _joined(best, "ids", model, k), _joined(best, "values", model, k)
    suppressed = _joined(worst, "ids", model, k), -_joined(worst, "values", model, k)
    return Promotion(
        promoted_ids=promoted[0],
        promoted_effects=promoted[1],
        promoted=tuple(model.texts(promoted[0].ravel())),
        suppressed_ids=suppressed[0],
        suppressed_effects=suppressed[1],
        suppressed=tuple(model.texts(suppressed[0].ravel())),
    )


def _joined(parts: list[distribution.TopK], name: str, model: Model, k: int) -> np.ndarray:
    empty = np.zeros((0, k), dtype=int if name == "ids" else np.float32)
    return np.concatenate([empty, *(getattr(part, name).numpy(force=True) for part in parts)])
