"""What the shares of a prompt's words say, in sentences."""

from __future__ import annotations

import math
from typing import Any

from mi_core.phrases import listed, percent, percent_of_gap, place, quoted
from mi_core.result import Reading
from mi_core.saliency.baseline import WORDS
from mi_core.saliency.gradient import COMPLETE
from mi_core.saliency.methods import BY_NAME, INTEGRATED, SHAPLEY

SATURATED = 0.95  # a probability beyond it hardly moves, whatever is taken away


def reading(result: Any) -> Reading:
    """The word that counts most, how much there was to share out, and which method to trust.

    Args:
        result: An `InputAttribution`.
    """
    return Reading(_title(result), (_ends(result), *_trust(result), *_exactness(result), *_caveats(result)))


def _named(result: Any, player: int) -> str:
    """A player in running text: `“·Paris” (position 3)`, `“·the·cat” (positions 1–2)`."""
    one = result.players[player]
    if len(one.positions) == 1:
        return place(result.tokens, one.positions[0])
    return f"{quoted(one.text)} (positions {one.positions[0]}–{one.positions[-1]})"


def _title(result: Any) -> str:
    best, answer = result.strongest, result.answer
    lost = float(result.score[0, best])
    what = f"the {answer.quantity} of {answer.label}"
    if answer.said(0.0) == answer.said(lost):
        return f"No single part of the prompt moves {what}"
    moved = percent(abs(lost)) if answer.metric == "probability" else f"{abs(lost):.2f} {answer.unit}"
    return f"{_named(result, best)} counts most: without it, {what} {'falls' if lost > 0 else 'rises'} by {moved}"


def _ends(result: Any) -> str:
    answer = result.answer
    whole, none = answer.said(result.full), answer.said(result.empty)
    sentence = (
        f"The {answer.quantity} is {whole} as the prompt stands, and {none} with {WORDS[result.baseline]} in place of "
        "every part"
    )
    if abs(result.gap) < answer.smallest_gap:
        return f"{sentence}: shares of so small a difference say little."
    return f"{sentence}."


def _trust(result: Any) -> list[str]:
    """Which other method deletion agrees with, and which do no better than chance."""
    others = [i for i in range(1, len(result.methods)) if not math.isnan(result.grades[i].agreement)]
    floor = result.floor.comprehensiveness
    better = [i for i in others if result.grades[i].comprehensiveness > floor]
    said = []
    if better:
        best = max(better, key=lambda i: (result.grades[i].agreement, result.grades[i].comprehensiveness))
        said.append(_best(result, best))
    if poor := [BY_NAME[result.methods[i]].label for i in others if i not in better]:
        said.append(f"No better than a random order: {listed(poor)}.")
    return said


def _best(result: Any, best: int) -> str:
    grade, agreement = result.grades[best], f"{result.grades[best].agreement:.2f}".replace("-", "−")
    label = BY_NAME[result.methods[best]].label
    return (
        f"Trust the row that deletion agrees with: beside leave-one-out that is {label} (Kendall’s τ {agreement}). "
        f"Without the parts it puts first, {percent_of_gap(grade.comprehensiveness)} of the difference "
        f"is lost; in random order {percent_of_gap(result.floor.comprehensiveness)}."
    )


def _exactness(result: Any) -> list[str]:
    said = []
    if INTEGRATED.name in result.methods:
        off = abs(float(result.score[result.methods.index(INTEGRATED.name)].sum()) - result.gap)
        if off > COMPLETE * max(abs(result.gap), result.answer.smallest_gap):
            said.append(
                f"Integrated gradients still miss {off:.2f} {result.answer.unit} after {result.steps} steps, so do not "
                "rely on their row: choose another replacement."
            )
    if SHAPLEY.name in result.methods:
        error = float(result.standard_error[result.methods.index(SHAPLEY.name)].max())
        if error > 0:
            said.append(f"Shapley values are sampled, each to ±{error:.2f} {result.answer.unit} or better.")
    if not math.isnan(result.r_squared):
        said.append(f"LIME’s straight line explains {percent_of_gap(result.r_squared)} of what it was fitted to (R²).")
    said += [f"Left out: {BY_NAME[name].label}. {why}" for name, why in result.left_out]
    return said


def _caveats(result: Any) -> list[str]:
    said = []
    if result.tokens.special[0]:
        said.append(f"The start token {quoted(result.tokens.texts[0])} is never taken away.")
    if result.answer.metric == "probability" and not 1 - SATURATED < result.full < SATURATED:
        said.append("So near its end a probability hardly moves and has hardly a slope: the logit says more here.")
    if result.reads_again:
        said.append("This model reads its tokens again in later layers, where they are not taken away.")
    return said
