"""Can features that share dimensions be found again in the activations alone?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from mi_core.errors import InputError
from mi_core.labs import geometry
from mi_core.labs.dictionary import STEPS, DictionaryTraining, random_dictionaries
from mi_core.labs.toy_model import ToyModel, ToyTraining
from mi_core.models.progress import Progress, silent
from mi_core.result import Check, Reading, check_axes, within

FOUND = 0.95  # cosine from which a feature counts as found


@dataclass(frozen=True)
class Unpacking:
    """The directions that a sparse autoencoder learned from a toy model's activations, beside its true features."""

    W: Float[np.ndarray, "hidden feature"]
    """The toy model's weights: column i is the arrow of feature i."""
    fits: Bool[np.ndarray, " feature"]
    """Which features the activations hold at all."""
    directions: Float[np.ndarray, "unit hidden"]
    """What each unit of the autoencoder writes, of length 1."""
    cosine: Float[np.ndarray, "feature unit"]
    """Of each feature's arrow and each unit's direction."""
    random_cosine: Float[np.ndarray, " feature"]
    """The best cosine that as many random directions reach, on average."""
    random_found: Float[np.ndarray, " feature"]
    """How often as many random directions would find the feature, 0 to 1."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "cosine"

    def __post_init__(self) -> None:
        check_axes(self)
        within(self, -1.0, 1.0, "cosine", "random_cosine")
        within(self, 0.0, 1.0, "random_found")

    @property
    def best(self) -> Float[np.ndarray, " feature"]:
        """The cosine of each feature and the unit nearest to it."""
        return self.cosine.max(-1)

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the cosines."""
        return {"features": dict.fromkeys(("cosine", "random_cosine"), "cosine"), "mean": {"cosine": "cosine"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`features`: the unit nearest to each that fits; `mean`: of these; `cosines`: each with each; `units`."""
        kept = np.flatnonzero(self.fits)
        features = {
            "feature": kept + 1,
            "unit": self.cosine[kept].argmax(-1) + 1,
            "cosine": self.best[kept],
            "random_cosine": self.random_cosine[kept],
            "random_found": self.random_found[kept],
        }
        feature, unit = (axis.ravel() for axis in np.indices(self.cosine.shape))
        cosines = {"feature": feature + 1, "unit": unit + 1, "cosine": self.cosine.ravel()}
        number, hidden = (axis.ravel() for axis in np.indices(self.directions.shape))
        units = {"unit": number + 1, "hidden": hidden + 1, "w": self.directions.ravel()}
        means = {
            "directions": ["learned", "random"],
            "cosine": [self.best[kept].mean(), self.random_cosine[kept].mean()],
            "found": [float((self.best[kept] >= FOUND).sum()), self.random_found[kept].sum()],
        }
        return {
            "features": pd.DataFrame(features),
            "mean": pd.DataFrame(means),
            "cosines": pd.DataFrame(cosines),
            "units": pd.DataFrame(units),
        }

    def reading(self) -> Reading:
        """How many were found, beside what chance would find."""
        best, chance = self.best[self.fits], self.random_cosine[self.fits]
        found, lost = int((best >= FOUND).sum()), int((~self.fits).sum())
        which = f"All {len(best)}" if found == len(best) else f"{found or 'None'} of the {len(best)}"
        does = "does not fit, so it is" if lost == 1 else "do not fit, so they are"
        missing = (f"{lost} more {does} not in the activations.",) if lost else ()
        return Reading(
            f"{which} features that fit {'is' if found == 1 else 'are'} found again in the activations alone",
            (
                f"The mean best cosine of a feature and a learned direction is {best.mean():.3f}, and a feature counts "
                f"as found from {FOUND} up.",
                f"{len(self.directions)} random directions would reach {chance.mean():.3f} and find "
                f"{self.random_found[self.fits].sum():.1f} of them.",
                *missing,
            ),
        )


def unpacking(
    *,
    n_features: int = 5,
    n_hidden: int = 2,
    density: float = 0.05,
    importance: str = "equal",
    steps: int = 1000,
    starts: int = 4,
    seed: int = 0,
    progress: Progress = silent,
) -> Unpacking:
    """Train the toy model of superposition, then a sparse autoencoder on the activations of its best start.

    The autoencoder has twice as many units as there are features and is never told which feature was present. Its
    directions are matched with the true ones afterwards: of a language model there is no such truth to match with.

    Args:
        n_features: How many features there are, 2 to 100.
        n_hidden: How many dimensions carry them, 1 to 20, at most as many as there are features.
        density: How often a feature is present, 0.001 to 1.
        importance: What an error counts: ``"equal"``, ``"0.9^i"`` (each 0.9 times the one before), or a number for each
            feature, separated by commas.
        steps: Steps of the toy model's training, of 512 samples each.
        starts: How many toy models are trained at once; the best is unpacked.
        seed: The same seed gives the same numbers.
        progress: Called now and then with (steps done, steps in all).

    Returns:
        The cosine of each feature with each direction that was learned, and with random ones.

    Raises:
        InputError: A number out of its range, no importances, or a toy model that keeps no feature.
    """
    toy = ToyModel(n_features, n_hidden, density, importance, steps, starts, seed)
    training = ToyTraining(toy)
    for done in training.train():
        progress(done, steps + STEPS)
    W = training.best()
    fits = geometry.fitting(W[None].numpy())[0]
    if not fits.any():
        raise InputError("No feature fits, so there is nothing to find: train for more steps.", "steps")
    dictionary = DictionaryTraining(toy, W, 2 * n_features)
    for done in dictionary.train():
        progress(steps + done, steps + STEPS)
    learned, true = dictionary.directions, torch.nn.functional.normalize(W, dim=0)
    chance = (random_dictionaries(2 * n_features, n_hidden, seed) @ true).amax(-2)
    cosine = (true.T @ learned.T).clamp(-1, 1)
    lengths = float((learned.norm(dim=-1) - 1).abs().max())
    return Unpacking(
        W=W.numpy(),
        fits=fits,
        directions=learned.numpy(),
        cosine=cosine.numpy(),
        random_cosine=chance.mean(0).numpy(),
        random_found=(chance >= FOUND).float().mean(0).numpy(),
        checks=(Check("every learned direction has length 1", lengths, 1e-5), _anew(W, learned, cosine)),
    )


def _anew(arrows: torch.Tensor, learned: torch.Tensor, cosine: torch.Tensor) -> Check:
    anew = torch.nn.functional.cosine_similarity(arrows.T[:, None], learned[None], dim=-1)
    return Check("each cosine is that of the two arrows", float((anew - cosine).abs().max()), 1e-5)
