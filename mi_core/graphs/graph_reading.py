"""What an attribution graph says, in sentences: what carries the answer, what no node explains, what was measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from mi_core.graphs.kinds import ERROR, TOLD_APART
from mi_core.graphs.settle import TRUSTED
from mi_core.phrases import place, signed
from mi_core.result import Reading


def reading(result: Any) -> Reading:
    """The node that carries most, and how far to trust the account.

    Args:
        result: An `AttributionGraph`.
    """
    told = [i for i, kind in enumerate(result.kinds) if kind in TOLD_APART]
    said = (_what(result), _unexplained(result), _trust(result), _pairs(result))
    return Reading(_title(result, told), tuple(sentence for sentence in said if sentence))


def _title(result: Any, told: list[int]) -> str:
    total, label = signed(result.total), result.target.label
    gains = f"{label} gains {total} logits" if not result.alone else f"{label} comes to {total} logits"
    if not told:
        return gains
    best = max(told, key=lambda i: abs(result.scores[i]))
    carries = "carries most" if result.scores[best] * result.total >= 0 else "works against it most"
    return f"{gains}; {_named(result, best)} {carries}: {signed(float(result.scores[best]))}"


def _named(result: Any, node: int) -> str:
    name, label = result.names[node].partition("@")[0], result.labels[node]
    what = f"{name} ({label})" if label else name
    return f"{what} at {place(result.tokens, result.positions[node])}"


def _what(result: Any) -> str:
    off = max(abs(total - result.total) for _, total in result.sums)
    if not result.alone and off > TRUSTED * abs(result.total):
        return (
            f"The streams on the way bend so much that a layer’s sum is off by {signed(off)} logits: take more points, "
            "with the setting points of the command."
        )
    if result.alone:
        return (
            "Attention, norms and gains are held as they are in this prompt: this says what the sum is made of, not "
            "what would happen without a part of it."
        )
    return "Every number is of the change that your prompt makes beside the exchanged one."


def _unexplained(result: Any) -> str:
    if ERROR not in result.kinds:
        return ""
    return (
        f"Followed back, {result.replacement:.0%} of the answer ends in tokens and {1 - result.replacement:.0%} in "
        "what the autoencoders do not explain."
    )


def _trust(result: Any) -> str:
    of_nodes, of_edges = result.correlation("nodes"), result.correlation("edges")
    known = int((np.isfinite(result.effects) & np.isin(result.kinds, TOLD_APART)).sum())
    if not np.isfinite(of_nodes):
        return ""
    told = [f"{value:.2f}".replace("-", "−") for value in (of_nodes, of_edges)]
    edges = f", those of edges at {told[1]}" if np.isfinite(of_edges) else ""
    return (
        f"Scores of the {known} nodes that were taken away one by one agree with the measured fall at r = {told[0]}"
        f"{edges}."
    )


def _pairs(result: Any) -> str:
    if len(result.pairs) < 2 or not result.shared:
        return ""
    name, label, score, share = result.shared[0]
    what = f"{name} ({label})" if label else name
    return (
        f"Over all {len(result.pairs)} pairs {what} is worth most, {signed(score)} on average, and matters in "
        f"{share:.0%} of them."
    )
