"""Which directions point the same way, and what is near to each?"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from mi_core.directions import spec
from mi_core.directions.direction import Direction, find
from mi_core.directions.spec import DirectionSpec
from mi_core.directions.token_space import check_width, cosines
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import quoted, signed
from mi_core.result import Check, Reading, check_axes, within

MOST = 16


@dataclass(frozen=True)
class Directions:
    """A set of directions: how they lie to each other, and the tokens nearest to each."""

    model: str
    """Id of the model."""
    names: tuple[str, ...]
    """[direction] What each is, for people; no two are the same."""
    asked: tuple[str, ...]
    """[direction] As each was asked for."""
    unit: Float[np.ndarray, "direction d_model"]
    """[direction, d_model] The directions; each has length 1."""
    cosine: Float[np.ndarray, "direction other"]
    """[direction, direction] Their cosines."""
    space: str
    """``"embedding"`` or ``"unembedding"``: which vectors of the tokens."""
    nearest_ids: Int[np.ndarray, "direction k"]
    """[direction, k] The nearest tokens, the nearest first."""
    nearest: tuple[str, ...]
    """[direction · k] Their texts, flattened."""
    nearest_cosine: Float[np.ndarray, "direction k"]
    """[direction, k] Their cosines."""
    chance: float
    """The usual size of a cosine of two random directions of this width: 1 / √d_model."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "cosine"
    """Unit of the numbers."""

    def __post_init__(self) -> None:
        check_axes(self, direction=len(self.names), other=len(self.names))
        within(self, -1, 1, "cosine", "nearest_cosine")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`cosines`: a row per pair. `nearest`: the tokens near each. `vectors`: the numbers of each direction."""
        names = np.array(self.names, dtype=object)
        first, second = (axis.ravel() for axis in np.indices(self.cosine.shape))
        row, rank = (axis.ravel() for axis in np.indices(self.nearest_ids.shape))
        which, dimension = (axis.ravel() for axis in np.indices(self.unit.shape))
        nearest = {"token": self.nearest, "token_id": self.nearest_ids.ravel(), "cosine": self.nearest_cosine.ravel()}
        return {
            "cosines": pd.DataFrame({"first": names[first], "second": names[second], "cosine": self.cosine.ravel()}),
            "nearest": pd.DataFrame({"direction": names[row], "rank": rank + 1} | nearest),
            "vectors": pd.DataFrame(
                {"direction": names[which], "dimension": dimension, "value": self.unit[which, dimension]}
            ),
        }

    def reading(self) -> Reading:
        """Which two are most alike, or most opposed; what chance would give."""
        if len(self.names) == 1:
            near = f"{quoted(self.nearest[0])}: {signed(self.nearest_cosine[0, 0])}"
            return Reading(f"The token nearest to {self.names[0]} is {near}", (self._chance(),))
        pairs = np.triu(np.abs(self.cosine), 1)
        one, other = divmod(int(pairs.argmax()), len(self.names))
        value = self.cosine[one, other]
        how = "point most nearly the same way" if value > 0 else "point most nearly opposite ways"
        title = f"{_capital(self.names[one])} and {self.names[other]} {how}: cosine {signed(value)}"
        return Reading(title, (self._chance(), self._beyond(pairs)))

    def pair(self, one: int, other: int) -> str:
        """How two of them lie to each other, beside what chance would give."""
        value = float(self.cosine[one, other])
        return (
            f"{_capital(self.names[one])} and {self.names[other]}: cosine {signed(value)}, "
            f"{abs(value) / self.chance:.1f} times what chance gives"
        )

    def _chance(self) -> str:
        return (
            f"Two random directions of this width have a cosine of about {self.chance:.2f} in size: what is not well "
            "above that says little."
        )

    def _beyond(self, pairs: Float[np.ndarray, "direction other"]) -> str:
        n = len(self.names)
        beyond = int((pairs > 3 * self.chance).sum())
        return f"{beyond} of {n * (n - 1) // 2} pairs {'goes' if beyond == 1 else 'go'} beyond three times that."


def directions(
    model: Model,
    *,
    directions: tuple[str, ...] = ("token:happy", "token:sad", "token:Paris", "token:London"),
    space: Literal["embedding", "unembedding"] = "unembedding",
    top_k: int = 8,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Directions:
    """Cosines of any set of directions in the residual stream, and the tokens nearest to each.

    A cosine of 1 is the same direction, 0 none in common, −1 the opposite. Directions of different layers share one
    space, but the model may use it otherwise in each.

    Args:
        model: The model.
        directions: Each in the words of `mi_core.directions.spec`, such as ``token:Paris`` or ``feature:123``, or a
            JSON object that says all of it: ``{"direction": "contrast", "positive": "…", "negative": "…"}``.
        space: Which vectors of the tokens are compared: ``"unembedding"``, what the output reads for them (through the
            final norm's weight, less the mean over the vocabulary); or ``"embedding"``, what they are read as.
        top_k: How many tokens to keep per direction.
        prepend_bos: Of contrast prompts; None follows the model's own habit.
        progress: Called between prompts and directions with (done, total).

    Returns:
        Cosines, from −1 to 1. Tokens that are no text are left out.

    Raises:
        InputError: No direction, too many, or one that this model has not; a bad space or top_k.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    if not 1 <= len(directions) <= MOST:
        raise InputError(f"There are {len(directions)} directions: name 1 to {MOST}.", "directions")
    check_width(model, space)
    found = []
    for done, words in enumerate(directions):
        between = functools.partial(progress, done, len(directions))
        between()
        asked = spec.read(DirectionSpec, {"direction": words})
        found.append(find(model, asked, prepend_bos=prepend_bos, between=between))
    unit = torch.stack([one.unit.detach().float() for one in found])
    near = distribution.top_k(cosines(model, unit, space), top_k)
    cosine = (unit @ unit.T).numpy(force=True)
    error = float(np.abs(np.diagonal(cosine) - 1).max())
    return Directions(
        model=model.id,
        names=_distinct([_name(one) for one in found]),
        asked=tuple(directions),
        unit=unit.numpy(force=True),
        cosine=cosine,
        space=space,
        nearest_ids=near.ids.numpy(force=True),
        nearest=tuple(model.texts(near.ids.ravel().tolist())),
        nearest_cosine=near.values.numpy(force=True),
        chance=1 / math.sqrt(model.d_model),
        checks=(Check("the cosine of each direction with itself is 1", error, 1e-5),),
    )


def _name(one: Direction) -> str:
    """Features with their number, which a label alone does not say."""
    number = f"feature {one.feature}"
    return one.label if one.feature is None or one.label == number else f"{number} ({one.label})"


def _distinct(labels: list[str]) -> tuple[str, ...]:
    """With a count after each repetition."""
    counts = [labels[: place + 1].count(label) for place, label in enumerate(labels)]
    return tuple(label if n == 1 else f"{label} ({n})" for label, n in zip(labels, counts, strict=True))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
