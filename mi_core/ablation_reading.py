"""What an ablation says in words: which knockout hurts most, and whether the direct effects foretold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mi_core.reading import listed, percent, place, quoted, signed
from mi_core.result import Reading

if TYPE_CHECKING:
    from mi_core.analyses.ablation import Ablation

HEALED = 0.5  # of the direct effect: where the change is smaller than this share, the rest was made up for
WORTH_SAYING = 0.1  # logits


def said(found: Ablation, index: int) -> str:
    """A component in a sentence: `L3H0`, `neuron 17 of layer 3`, `feature 115 (capitals)`."""
    layer, number = found.component_layers[index], found.component_numbers[index]
    if found.site == "neuron":
        return f"neuron {number} of layer {layer}"
    if found.site == "feature":
        return f"feature {number}" + (f" ({found.labels[index]})" if found.labels[index] else "")
    if found.site == "position":
        return f"what {place(found.tokens, number)} holds before layer {layer}"
    return found.components[index]


def read(found: Ablation) -> Reading:
    """The finding as a title, and what else the numbers show."""
    worst = int(found.change.argmin())
    what = f"the {found.target.quantity} of {found.target.label}"
    if found.change[worst] < 0:
        falls = "falls" if len(found.components) == 1 else "falls most"
        title = f"Without {said(found, worst)}, {what} {falls}: {signed(found.change[worst])}"
    else:
        title = f"No knockout lowers {what}" if len(found.components) > 1 else f"{what} does not need it"
        title = _capital(title)
    if found.also:
        title = f"With {listed(list(found.also))} out already: {title[0].lower()}{title[1:]}"
    return Reading(title, (_start(found), *_other_way(found), *_repair(found), *_unmeasured(found)))


def _start(found: Ablation) -> str:
    at, value, given = place(found.tokens, found.pos), signed(found.baseline), percent(found.baseline_probability)
    answer = quoted(found.target.text)
    if found.also:
        return (
            f"With {listed(list(found.also))} out, the {found.target.quantity} after {at} is {value} instead of "
            f"{signed(found.plain)}, and {answer} gets {given} instead of {percent(found.plain_probability)}."
        )
    return f"With everything in place, the {found.target.quantity} after {at} is {value}; {answer} gets {given}."


def _other_way(found: Ablation) -> list[str]:
    best = int(found.change.argmax())
    if found.change[best] <= 0 or len(found.components) == 1:
        return []
    return [f"Without {said(found, best)} it rises most: {signed(found.change[best])}."]


def _repair(found: Ablation) -> list[str]:
    """Whose absence later layers make up for; otherwise how much of the strongest knockout is a direct effect."""
    missing = np.abs(np.nan_to_num(found.change + found.direct))
    healed = (np.abs(found.direct) >= WORTH_SAYING) & (np.abs(found.change) < HEALED * np.abs(found.direct))
    if healed.any():
        index = int((missing * healed).argmax())
        return [
            f"{_capital(said(found, index))} writes {signed(found.direct[index])} towards the answer itself, "
            f"yet without it the value moves only {signed(found.change[index])}: later layers make up for the rest "
            "(self-repair)."
        ]
    if missing[found.strongest] < WORTH_SAYING or found.site == "position":
        return []
    return [
        f"From what {said(found, found.strongest)} writes towards the answer itself one would expect "
        f"{signed(-found.direct[found.strongest])}; the rest goes through later layers."
    ]


def _unmeasured(found: Ablation) -> list[str]:
    return [f"{found.left_out:,} weaker features were left out."] if found.left_out else []


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
