"""A straight line fitted to random coalitions: KernelSHAP and LIME, by captum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.saliency.game import Game

ROWS = 64  # coalitions asked for at once


def kernel_shap(game: Game, samples: int, seed: int) -> Float[np.ndarray, " player"]:
    """Shapley values as the coefficients of a weighted regression (Lundberg and Lee 2017): an approximation.

    Raises:
        InputError: There is only one player.
    """
    from captum.attr import KernelShap

    return _fitted(game, KernelShap, samples, seed)[0]


def lime(game: Game, samples: int, seed: int) -> tuple[Float[np.ndarray, " player"], float]:
    """The coefficients of a straight line fitted to coalitions near the whole prompt (Ribeiro et al. 2016), and how
    much of their variance it explains (R²). They sum to nothing in particular.

    Raises:
        InputError: There is only one player.
    """
    from captum._utils.models.linear_model import SkLearnLinearRegression
    from captum.attr import Lime
    from sklearn.metrics import r2_score

    line = SkLearnLinearRegression()
    scores, present, values = _fitted(game, Lime, samples, seed, interpretable_model=line)
    with torch.no_grad():
        said = line(torch.tensor(present).float()).numpy().ravel()
    return scores, float(r2_score(values, said, sample_weight=_closeness(present)))


def _closeness(present: np.ndarray) -> Float[np.ndarray, " coalition"]:
    """How much each coalition counts: captum's default, by its cosine with the whole."""
    cosine = np.sqrt(present.mean(1))
    return np.exp(-((1 - cosine) ** 2) / 2)


def _fitted(
    game: Game, method: Callable[..., Any], samples: int, seed: int, **settings: Any
) -> tuple[Float[np.ndarray, " player"], np.ndarray, np.ndarray]:
    """Captum's scores, and the coalitions that it asked for with their values."""
    n = len(game.players)
    if n < 2:
        raise InputError(
            "KernelSHAP and LIME compare several parts, and here is only one: cut the prompt finer.", "players"
        )
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def values(rows: Tensor) -> Tensor:
        present = rows.numpy() > 0.5
        seen.append((present, game.values(present)))
        return torch.tensor(seen[-1][1])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        scores = method(values, **settings).attribute(
            torch.ones(1, n), baselines=torch.zeros(1, n), n_samples=samples, perturbations_per_eval=ROWS
        )
    present, found = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    return scores[0].double().numpy(), present, found
