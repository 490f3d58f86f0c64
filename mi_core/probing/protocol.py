"""All that is measured of the probes of one layer, and what is the same for all layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mi_core.errors import InputError
from mi_core.probing import codelength, controls, fit, penalty
from mi_core.probing.fit import Folds, Inputs, Labels, Tick
from mi_core.probing.groups import fillers
from mi_core.probing.labelled import LabelledTexts
from mi_core.probing.probe_direction import directions


@dataclass(frozen=True)
class Split:
    """Texts held out in turn, and which of them go together."""

    folds: Folds
    groups: Sequence[str]
    """[text] Texts of one group are held out together, here and where the penalty is chosen."""


@dataclass(frozen=True)
class Protocol:
    """How probes are tested: the splits and the labels of the controls, the same at every layer."""

    y: Labels
    """[text] The class of each."""
    n_classes: int
    by_group: Split
    """Whole groups are held out: the accuracy that counts."""
    at_random: Split
    """The usual split, which flatters where texts are alike."""
    by_word: Split | None
    """The words that fill the texts are held out; None where they do not come again."""
    control: tuple[Labels, ...]
    """[draw][text] Labels of the control tasks."""
    among: tuple[float, ...]
    """The choices of C."""
    seed: int
    shuffles: int

    @property
    def n_fits(self) -> int:
        """The most fits that a layer takes."""
        each = len(self.by_group.folds) * (self.shuffles + len(self.control))
        own = [self.by_group, self.at_random, *([] if self.by_word is None else [self.by_word])]
        return each + sum(map(self.fits_of, own)) + penalty.n_fits(self.among) + len(codelength.PORTIONS)

    def fits_of(self, split: Split) -> int:
        """The most fits that one split takes, the choice of C within each fold among them."""
        return len(split.folds) * (1 + penalty.n_fits(self.among))

    def told(self, x: Inputs, split: Split, tick: Tick) -> tuple[Float[np.ndarray, "text class_"], list[float]]:
        """What probes that have not seen a text's group make of it, and the C of each fold."""
        cs = penalty.of_folds(x, self.y, split.folds, split.groups, self.among, self.seed, tick)
        return fit.held_out(x, [self.y], split.folds, cs, tick)[0], cs

    def accuracy(self, x: Inputs, split: Split, tick: Tick) -> float:
        """The share that they tell right."""
        return fit.right(self.told(x, split, tick)[0], self.y)


@dataclass(frozen=True)
class LayerProbes:
    """What came of it at one layer."""

    probability: Float[np.ndarray, "text class_"]
    """Of each class, by a probe that has not seen the text's group."""
    cs: list[float]
    """[fold] Its C, chosen without the fold."""
    c: float
    """Chosen from all texts: of the codelength and the direction."""
    at_random: float
    by_word: float
    shuffled: Float[np.ndarray, " shuffle"]
    control: float
    codelength: float
    directions: Float[np.ndarray, "kind class_ d_model"]


def protocol(held: LabelledTexts, among: tuple[float, ...], seed: int, shuffles: int) -> Protocol:
    """The splits and controls for these texts. Raises InputError where they cannot be made."""
    y = np.array(held.numbers)
    words = fillers(held.texts, held.groups)
    return Protocol(
        y=y,
        n_classes=len(held.classes),
        by_group=Split(fit.group_folds(y, held.groups, seed), held.groups),
        at_random=Split(fit.random_folds(y, seed), [str(number) for number in range(len(y))]),
        by_word=_by_word(y, words, held.groups, seed),
        control=tuple(controls.control_labels(y, words, seed + draw) for draw in range(controls.DRAWS)),
        among=among,
        seed=seed,
        shuffles=shuffles,
    )


def _by_word(y: Labels, words: list[str], groups: tuple[str, ...], seed: int) -> Split | None:
    """The words that fill the texts held out, where that is another split than the others."""
    if len(set(words)) > len(words) // 2 or tuple(words) == groups:
        return None
    try:
        return Split(fit.group_folds(y, words, seed), words)
    except InputError:  # a class that has one word only
        return None


def measured(x: Inputs, ask: Protocol, tick: Tick) -> LayerProbes:
    """The probes of one layer, its controls, its codelength and its directions.

    The controls are the same probes but for their labels: each fold's have the C that was chosen with the true ones.
    """
    y, folds, groups = ask.y, ask.by_group.folds, ask.by_group.groups
    probability, cs = ask.told(x, ask.by_group, tick)
    c = penalty.chosen(x, y, groups, ask.among, ask.seed, tick)
    return LayerProbes(
        probability=probability,
        cs=cs,
        c=c,
        at_random=ask.accuracy(x, ask.at_random, tick),
        by_word=math.nan if ask.by_word is None else ask.accuracy(x, ask.by_word, tick),
        shuffled=controls.shuffled(x, y, folds, cs, ask.seed, ask.shuffles, tick),
        control=controls.control(x, ask.control, folds, cs, tick),
        codelength=math.log2(len(ask.among)) + codelength.of_probe(x, y, ask.n_classes, c, ask.seed, tick),
        directions=directions(x, y, ask.n_classes, c),
    )
