"""How strong a probe's penalty is: chosen within the texts that it learns from, by groups that stand back there too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mi_core.errors import InputError
from mi_core.probing.fit import Folds, Inputs, Labels, Tick, group_folds, held_out

#: From a strong penalty to a weak one.
CHOICES = (0.001, 0.01, 0.1)
USUAL = 0.1  # where the texts allow no folds within
INNER_FOLDS = 3


def choices(c: float | None) -> tuple[float, ...]:
    """Between which it is chosen; of one that is given there is no choice.

    Raises:
        InputError: `c` is no number that a fit ends with.
    """
    if c is None:
        return CHOICES
    if not 1e-6 <= c <= 1e4:
        raise InputError(f"C is {c:g}: choose a number from 0.000001 (a strong penalty) to 10,000 (hardly any).", "c")
    return (c,)


def n_fits(among: Sequence[float]) -> int:
    """The most fits that one choice takes."""
    return INNER_FOLDS * len(among) if len(among) > 1 else 0


def chosen(x: Inputs, y: Labels, groups: Sequence[str], among: Sequence[float], seed: int, tick: Tick) -> float:
    """The C whose probes need the fewest bits for groups of these texts that they have not seen.

    Bits rather than accuracy, which ties too often on few texts. Of several that are equally good, the smallest C.

    Args:
        x: A row per text.
        y: The class of each.
        groups: The group of each.
        among: The choices, in rising order.
        seed: Of the folds.
        tick: Called before every fit.
    """
    if len(among) == 1:
        return among[0]
    try:
        folds = group_folds(y, groups, seed, INNER_FOLDS)
    except InputError:  # some class has one group only
        return USUAL
    return min(among, key=lambda c: _bits(x, y, folds, c, tick))


def of_folds(
    x: Inputs, y: Labels, folds: Folds, groups: Sequence[str], among: Sequence[float], seed: int, tick: Tick
) -> list[float]:
    """[fold] The C chosen from all texts but those of the fold."""
    names, found = np.array(groups, dtype=object), []
    for test in folds:
        rest = np.setdiff1d(np.arange(len(y)), test)
        found.append(chosen(x[rest], y[rest], names[rest].tolist(), among, seed, tick))
    return found


def _bits(x: Inputs, y: Labels, folds: Folds, c: float, tick: Tick) -> float:
    """Per text."""
    own = held_out(x, [y], folds, [c] * len(folds), tick)[0][np.arange(len(y)), y]
    return float(-np.log2(np.maximum(own, np.finfo(float).tiny)).mean())
