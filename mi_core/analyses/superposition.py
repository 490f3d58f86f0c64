"""How does a model hold more features than it has dimensions?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.labs import geometry
from mi_core.labs.importance import importances
from mi_core.labs.toy_model import ToyModel, ToyTraining
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed
from mi_core.result import Check, Reading, check_axes

ALIKE = 0.02  # dimensions between the shares of features that are said to have the same
EVEN = 3.0  # degrees between gaps that are said to be the same


@dataclass(frozen=True)
class Superposition:
    """A toy model that was trained here, from several starts; features, dimensions and starts count from 1."""

    density: float
    """How often a feature is present, 0 to 1."""
    importance: Float[np.ndarray, " feature"]
    """What an error in each feature counts."""
    steps: Int[np.ndarray, " shot"]
    """How many steps of training had been done at each look."""
    path: Float[np.ndarray, "shot start hidden feature"]
    """The weights W at each look: column i is the arrow of feature i."""
    bias: Float[np.ndarray, "start feature"]
    """b of the last look."""
    loss: Float[np.ndarray, "shot start"]
    """``Σᵢ Iᵢ (xᵢ − x̂ᵢ)²`` on samples that were held out."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "dimensions"
    """Of D, in words."""

    def __post_init__(self) -> None:
        check_axes(self)

    @property
    def W(self) -> Float[np.ndarray, "start hidden feature"]:
        """The weights at the end."""
        return self.path[-1]

    @property
    def best(self) -> int:
        """The start that ended with the lowest loss, counted from 0."""
        return int(self.loss[-1].argmin())

    @property
    def kept(self) -> int:
        """How many features fit at the best start."""
        return int(geometry.fitting(self.W)[self.best].sum())

    @property
    def dimensionality(self) -> Float[np.ndarray, "start feature"]:
        """D of each feature at the end."""
        return geometry.dimensionality(self.W)

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of D and its sum, and of the angles between arrows."""
        starts = {"dimensions": "dimensions", "narrowest_gap": "degrees", "widest_gap": "degrees"}
        return {"features": {"dimensionality": "dimensions"}, "starts": starts}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Per start: `features`, `starts`, `interference` (Wᵀ W), `weights`, `losses`; of a plane the `path` too."""
        start, hidden, feature = (axis.ravel() for axis in np.indices(self.W.shape))
        columns = {"start": start + 1, "hidden": hidden + 1, "feature": feature + 1, "w": self.W.ravel()}
        shot, which = (axis.ravel() for axis in np.indices(self.loss.shape))
        losses = {"step": self.steps[shot], "start": which + 1, "loss": self.loss.ravel()}
        return {
            "features": self._features(),
            "starts": self._starts(),
            "interference": self._interference(),
            "weights": pd.DataFrame(columns),
            "losses": pd.DataFrame(losses),
        } | ({"path": self._path()} if self.W.shape[1] == 2 else {})

    def _features(self) -> pd.DataFrame:
        start, feature = (axis.ravel() for axis in np.indices(self.bias.shape))
        return pd.DataFrame(
            {
                "start": start + 1,
                "feature": feature + 1,
                "importance": self.importance[feature],
                "length": np.linalg.norm(self.W, axis=1).ravel(),
                "dimensionality": self.dimensionality.ravel(),
                "bias": self.bias.ravel(),
                "fits": geometry.fitting(self.W).ravel(),
            }
        )

    def _starts(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "start": np.arange(len(self.W)) + 1,
                "loss": self.loss[-1],
                "features_that_fit": geometry.fitting(self.W).sum(-1),
                "dimensions": self.dimensionality.sum(-1),
                "regular": [geometry.regular(W) for W in self.W],
            }
            | (self._gaps() if self.W.shape[1] == 2 else {})
        )

    def _gaps(self) -> dict[str, list[float]]:
        """Of the arrows in a plane that fit."""
        between = [geometry.gaps(W) for W in self.W]
        return {
            name: [float(most(each)) if len(each) else np.nan for each in between]
            for name, most in (("narrowest_gap", np.min), ("widest_gap", np.max))
        }

    def _interference(self) -> pd.DataFrame:
        matrix = geometry.interference(self.W)
        start, first, second = (axis.ravel() for axis in np.indices(matrix.shape))
        columns = {"start": start + 1, "first": first + 1, "second": second + 1, "interference": matrix.ravel()}
        return pd.DataFrame(columns)

    def _path(self) -> pd.DataFrame:
        shot, start, feature = (axis.ravel() for axis in np.indices(self.path[:, :, 0].shape))
        columns = {"step": self.steps[shot], "start": start + 1, "feature": feature + 1}
        return pd.DataFrame(columns | {"x": self.path[:, :, 0].ravel(), "y": self.path[:, :, 1].ravel()})

    def reading(self) -> Reading:
        """What the best start found."""
        return Reading(self._title(), (*self.about(self.best), *self._others()))

    def _title(self) -> str:
        n_hidden, n_features = self.W.shape[1:]
        if self.kept == n_features:
            which = f"All {n_features} features fit"
        else:
            which = f"{self.kept or 'None'} of {n_features} features {'fits' if self.kept == 1 else 'fit'}"
        return f"{which} into {_dimensions(n_hidden)}{self._shape()}"

    def _shape(self) -> str:
        """What can be seen of the arrows in a plane, where they are evenly spread."""
        if self.W.shape[1] != 2:
            return ""
        between = geometry.gaps(self.W[self.best])
        return f", {between.mean():.0f}° apart" if len(between) > 2 and np.ptp(between) <= EVEN else ""

    def about(self, start: int) -> tuple[str, ...]:
        """How one start, counted from 0, shares the dimensions out."""
        shares, n_hidden = self.dimensionality[start], self.W.shape[1]
        kept = shares[geometry.fitting(self.W)[start]]
        total = f"together they take up {shares.sum():.2f} of {_dimensions(n_hidden)}"
        if not len(kept):
            return (f"No feature is kept: {total}.",)
        if np.ptp(kept) <= ALIKE:
            each = f"Each that fits has {kept.mean():.2f} of a dimension to itself (D)"
        else:
            each = f"Those that fit have from {kept.min():.2f} to {kept.max():.2f} of a dimension to themselves (D)"
        if not geometry.regular(self.W[start]):
            return (f"{each}; {total}.", "The shape is not regular, so theory does not say what the sum must be.")
        return (f"{each}; {total}, which is what theory says of a regular shape.",)

    def _others(self) -> tuple[str, ...]:
        """How the other starts ended."""
        ends = self.loss[-1]
        if len(ends) == 1:
            return ()
        found = geometry.fitting(self.W).sum(-1)
        fewer = [str(start + 1) for start in np.flatnonzero(found != found[self.best])]
        stuck = (
            f"; start{'s' * (len(fewer) > 1)} {listed(fewer)} ended with another number of features" if fewer else ""
        )
        return (f"Of {len(ends)} starts, start {self.best + 1} ended with the lowest loss, {ends.min():.4f}{stuck}.",)


def superposition(
    *,
    n_features: int = 5,
    n_hidden: int = 2,
    density: float = 0.05,
    importance: str = "equal",
    steps: int = 1000,
    starts: int = 4,
    seed: int = 0,
    progress: Progress = silent,
) -> Superposition:
    """Train the toy model of superposition: ``x̂ = ReLU(Wᵀ W x + b)``, from several starts at once.

    Features are present now and then; few dimensions have to carry them all. Where features are seldom present, more of
    them fit than there are dimensions, in regular shapes (Elhage et al. 2022, "Toy models of superposition"). What
    holds here of five features need not hold of a language model's: nobody knows how many those are, nor how important.

    Args:
        n_features: How many features there are, 2 to 100.
        n_hidden: How many dimensions carry them, 1 to 20, at most as many as there are features.
        density: How often a feature is present, 0.001 to 1; its value is then uniform from 0 to 1.
        importance: What an error counts: ``"equal"``, ``"0.9^i"`` (each 0.9 times the one before), or a number for each
            feature, separated by commas.
        steps: Steps of training, of 512 samples each.
        starts: How many are trained at once, all on the same samples; some get stuck.
        seed: The same seed gives the same numbers.
        progress: Called now and then with (steps done, steps in all, the result so far).

    Returns:
        Weights, losses and D (dimensions that a feature has to itself) of each start.

    Raises:
        InputError: A number out of its range, or no importances.
    """
    training = ToyTraining(ToyModel(n_features, n_hidden, density, importance, steps, starts, seed))
    done, path, loss = [], [], []
    for step in training.train():
        done.append(step)
        path.append(training.W.detach().numpy().copy())
        loss.append(training.measured().numpy())
        progress(step, steps, _result(training, done, path, loss))
    result = _result(training, done, path, loss)
    return replace(result, checks=_checks(training, result.W, result.bias, result.loss[-1]))


def _result(training: ToyTraining, done: list[int], path: list, loss: list) -> Superposition:
    """What there is so far."""
    toy, bias = training.toy, training.b.detach().numpy()[:, 0].copy()
    return Superposition(
        density=toy.density,
        importance=importances(toy.importance, toy.n_features),
        steps=np.array(done),
        path=np.stack(path),
        bias=bias,
        loss=np.stack(loss),
        checks=(),
    )


def _checks(training: ToyTraining, arrows: np.ndarray, bias: np.ndarray, loss: np.ndarray) -> tuple[Check, ...]:
    """The loss from its definition, and what theory says of Σ D."""
    n_hidden = arrows.shape[1]
    anew = np.array([_loss(training, *start) for start in zip(arrows, bias, strict=True)])
    total = geometry.dimensionality(arrows).sum(-1)
    checks = [
        Check("the loss is Σ I (x − ReLU(Wᵀ W x + b))², computed anew with twice the digits",
              float(np.abs(anew - loss).max()), 1e-5),
        Check(f"Σ D is at most {n_hidden}, the number of dimensions", float(max(0.0, (total - n_hidden).max())), 1e-4),
    ]  # fmt: skip
    even = [abs(sum_ - n_hidden) for sum_, one in zip(total, arrows, strict=True) if geometry.regular(one)]
    if even:
        checks.append(Check(f"Σ D is {n_hidden} where the shape is regular", float(max(even)), 0.02 * n_hidden))
    return tuple(checks)


def _loss(training: ToyTraining, arrows: np.ndarray, bias: np.ndarray) -> float:
    x = training.held_out.numpy().astype(np.float64)
    reconstructed = np.maximum(np.einsum("hi,hj,rj->ri", arrows, arrows, x, optimize=True) + bias, 0)
    return float((training.importance.numpy() * (x - reconstructed) ** 2).sum(-1).mean())


def _dimensions(n_hidden: int) -> str:
    return "1 dimension" if n_hidden == 1 else f"{n_hidden} dimensions"
