"""All that is measured of the probes of one layer, and what is the same for all layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mi_core.errors import InputError
from mi_core.probing import codelength, controls, fit
from mi_core.probing.fit import Folds, Inputs, Labels, Tick
from mi_core.probing.groups import fillers
from mi_core.probing.labelled import LabelledTexts
from mi_core.probing.probe_direction import directions


@dataclass(frozen=True)
class Protocol:
    """How probes are tested: the splits and the labels of the controls, the same at every layer."""

    y: Labels
    """[text] The class of each."""
    n_classes: int
    by_group: Folds
    """Whole groups are held out: the accuracy that counts."""
    at_random: Folds
    """The usual split, which flatters where texts are alike."""
    by_word: Folds | None
    """The words that fill the texts are held out; None where they do not come again."""
    control: tuple[Labels, ...]
    """[draw][text] Labels of the control tasks."""
    c: float
    seed: int
    shuffles: int

    @property
    def n_fits(self) -> int:
        """The most fits that a layer takes."""
        by_word = 0 if self.by_word is None else len(self.by_word)
        each = len(self.by_group)
        return each * (1 + self.shuffles + len(self.control)) + fit.FOLDS + by_word + len(codelength.PORTIONS)


@dataclass(frozen=True)
class LayerProbes:
    """What came of it at one layer."""

    probability: Float[np.ndarray, "text class_"]
    """Of each class, by a probe that has not seen the text's group."""
    at_random: float
    by_word: float
    shuffled: Float[np.ndarray, " shuffle"]
    control: float
    codelength: float
    directions: Float[np.ndarray, "kind class_ d_model"]


def protocol(held: LabelledTexts, c: float, seed: int, shuffles: int) -> Protocol:
    """The splits and controls for these texts. Raises InputError where they cannot be made."""
    y = np.array(held.numbers)
    words = fillers(held.texts, held.groups)
    return Protocol(
        y=y,
        n_classes=len(held.classes),
        by_group=fit.group_folds(y, held.groups, seed),
        at_random=fit.random_folds(y, seed),
        by_word=_by_word(y, words, held.groups, seed),
        control=tuple(controls.control_labels(y, words, seed + draw) for draw in range(controls.DRAWS)),
        c=c,
        seed=seed,
        shuffles=shuffles,
    )


def _by_word(y: Labels, words: list[str], groups: tuple[str, ...], seed: int) -> Folds | None:
    """Folds that hold out the words that fill the texts, where that is another split than the others."""
    if len(set(words)) > len(words) // 2 or tuple(words) == groups:
        return None
    try:
        return fit.group_folds(y, words, seed)
    except InputError:  # a class that has one word only
        return None


def measured(x: Inputs, ask: Protocol, tick: Tick) -> LayerProbes:
    """The probes of one layer, its controls, its codelength and its directions."""
    y, c = ask.y, ask.c

    def accuracy(folds: Folds) -> float:
        return fit.right(fit.held_out(x, [y], folds, c, tick)[0], y)

    return LayerProbes(
        probability=fit.held_out(x, [y], ask.by_group, c, tick)[0],
        at_random=accuracy(ask.at_random),
        by_word=math.nan if ask.by_word is None else accuracy(ask.by_word),
        shuffled=controls.shuffled(x, y, ask.by_group, c, ask.seed, ask.shuffles, tick),
        control=controls.control(x, ask.control, ask.by_group, c, tick),
        codelength=codelength.of_probe(x, y, ask.n_classes, c, ask.seed, tick),
        directions=directions(x, y, ask.n_classes, c),
    )
