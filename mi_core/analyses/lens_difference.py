"""Where do two lenses read the same stream differently?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.analyses.jacobian_lens import jacobian_lens
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.tuned_lens import tuned_lens
from mi_core.errors import InputError, choose
from mi_core.lenses.files import NAMES
from mi_core.lenses.lens import Lens
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import after_layer, percent, place, quoted
from mi_core.result import Check, Reading, check_axes

Name = Literal["logit", "tuned", "jacobian"]
LENSES = {"logit": logit_lens, "tuned": tuned_lens, "jacobian": jacobian_lens}
TITLES = {"logit": "logit lens"} | NAMES


@dataclass(frozen=True)
class LensDifference:
    """Two lenses at every layer and position that both read."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer that is followed."""
    pos: int
    """The position that the reading speaks of, from 0."""
    first: str
    """The lens that is compared with."""
    second: str
    """The lens whose numbers are counted from the first's."""
    layers: tuple[int, ...]
    """[stage] How many blocks have been passed."""
    first_predictions: tuple[str, ...]
    """[stage · pos] The first lens' top guess, flattened."""
    second_predictions: tuple[str, ...]
    """[stage · pos] The second lens' top guess."""
    first_probability: Float[np.ndarray, "stage pos"]
    """[stage, pos] Probability of the answer, by the first."""
    second_probability: Float[np.ndarray, "stage pos"]
    """[stage, pos] By the second."""
    first_kl: Float[np.ndarray, "stage pos"]
    """[stage, pos] Bits: KL(final ‖ first lens)."""
    second_kl: Float[np.ndarray, "stage pos"]
    """[stage, pos] Bits: KL(final ‖ second lens)."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability, bits (KL)"
    """All units, in words."""

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the columns that stand beside each other."""
        bits: dict[str, str] = dict.fromkeys(("first_kl", "second_kl", "kl_change"), "bits")
        return {"difference": bits | dict.fromkeys(("first_probability", "second_probability"), "probability")}

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens), stage=len(self.layers))

    def tables(self) -> dict[str, pd.DataFrame]:
        """`difference`: a row per layer and position; changes are the second lens less the first."""
        stage, pos = (axis.ravel() for axis in np.indices(self.first_kl.shape))
        return {
            "difference": pd.DataFrame(
                {
                    "layer": np.asarray(self.layers)[stage],
                    "pos": pos,
                    "token": np.asarray(self.tokens.texts, dtype=object)[pos],
                    "first_prediction": self.first_predictions,
                    "second_prediction": self.second_predictions,
                    "first_probability": self.first_probability.ravel(),
                    "second_probability": self.second_probability.ravel(),
                    "probability_change": (self.second_probability - self.first_probability).ravel(),
                    "first_kl": self.first_kl.ravel(),
                    "second_kl": self.second_kl.ravel(),
                    "kl_change": (self.second_kl - self.first_kl).ravel(),
                }
            )
        }

    def reading(self) -> Reading:
        """Where the answer's probability differs most at the chosen position, and which lens is nearer to the end."""
        change = (self.second_probability - self.first_probability)[:, self.pos]
        most = int(np.abs(change).argmax())
        name, at = quoted(self.target.text), place(self.tokens, self.pos)
        one, other = (percent(each[most, self.pos]) for each in (self.first_probability, self.second_probability))
        first, second = TITLES[self.first], TITLES[self.second]
        if one == other:
            title = f"Both lenses give {name} the same at every layer"
        else:
            where = after_layer(self.layers[most], self.layers[-1])
            title = f"{where[0].upper()}{where[1:]}, the {second} gives {name} {other}, the {first} {one}"
        return Reading(title, (f"This is at {at}.", self._nearer(first, second)))

    def _nearer(self, first: str, second: str) -> str:
        """How many cells one lens is nearer to the model's own guess in; the last row is the same for both."""
        nearer = int((self.second_kl[:-1] < self.first_kl[:-1]).sum())
        return (
            f"The {second} is nearer to the model's final guess (KL) than the {first} in {nearer} of "
            f"{self.first_kl[:-1].size} places before the end."
        )


def lens_difference(
    model: Model,
    prompt: str,
    *,
    first: Name = "logit",
    second: Name = "tuned",
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    prepend_bos: bool | None = None,
) -> LensDifference:
    """Two lenses on one scale: what each guesses, and how their probabilities of the answer differ.

    The logit lens asks what the model would say if it stopped there, the tuned lens what the best guess from there is,
    the Jacobian lens what the stream there is disposed to bring about. A difference is no error of either.

    Args:
        model: The model.
        prompt: Text to read.
        first: The lens that is compared with.
        second: The lens that is compared.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: Not read by the lenses; accepted so that one set of settings serves all pages, and checked.
        pos: Position the reading speaks of; None for the last.
        prepend_bos: None follows the model's own habit.

    Returns:
        Probabilities, and KL(final ‖ lens) in bits, at the layers that both lenses read.

    Raises:
        InputError: A bad prompt, target or position; twice the same lens; a lens that this model does not have.
    """
    for name, value in (("first", first), ("second", second)):
        choose(value, get_args(Name), name, "lens")
    if first == second:
        raise InputError("The two lenses are the same: choose another one to compare.", "second")
    asked = {"target": target, "foil": foil, "pos": pos, "top_k": 1, "prepend_bos": prepend_bos}
    one, other = LENSES[first](model, prompt, **asked), LENSES[second](model, prompt, **asked)
    layers = tuple(layer for layer in one.layers if layer in other.layers)
    (first_guesses, first_rows), (second_guesses, second_rows) = (_at(lens, layers) for lens in (one, other))
    error = max(float(np.abs(a[-1] - b[-1]).max()) for a, b in zip(first_rows, second_rows, strict=True))
    return LensDifference(
        model=model.id,
        tokens=one.tokens,
        target=one.target,
        pos=one.pos,
        first=first,
        second=second,
        layers=layers,
        first_predictions=first_guesses,
        second_predictions=second_guesses,
        first_probability=first_rows[0],
        second_probability=second_rows[0],
        first_kl=first_rows[1],
        second_kl=second_rows[1],
        checks=(*one.checks, Check("both lenses end with the same numbers", error, 1e-5)),
    )


def _at(lens: Lens, layers: tuple[int, ...]) -> tuple[tuple[str, ...], list[Float[np.ndarray, "stage pos"]]]:
    """Top guesses at these layers, flattened; probability of the answer and KL."""
    rows = [lens.layers.index(layer) for layer in layers]
    guesses = np.asarray(lens.predictions, dtype=object).reshape(lens.prediction_ids.shape)[rows, :, 0]
    return tuple(guesses.ravel()), [lens.target_probability[rows], lens.kl_to_final[rows]]
