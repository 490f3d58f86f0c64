"""What a circuit says, in sentences: how small it is, what chance keeps, whether it holds on other prompts."""

from __future__ import annotations

from typing import Any

import numpy as np

from mi_core.circuits import family, graph
from mi_core.phrases import listed, percent_of_gap, signed
from mi_core.result import Reading

KINDS = {"head_mlp": "heads and MLPs", "head": "heads", "head_neuron": "heads and neurons"}
INSTEAD = {"mean": "their mean over the prompts", "resample": "the exchanged prompt’s run", "zero": "zero"}


def reading(result: Any) -> Reading:
    """The size and what it keeps, beside a random circuit of equal size.

    Args:
        result: A `Circuit`.
    """
    said = (_level(result), _control(result), *_rest(result), *_apart(result), *_trust(result))
    return Reading(_title(result), tuple(sentence for sentence in said if sentence))


def _counted(result: Any, count: int) -> str:
    what = "edges" if result.unit == "edge" else KINDS[result.parts]
    return f"{count:,} of {result.n_parts:,} {what}"


def _title(result: Any) -> str:
    kept = percent_of_gap(result.faithfulness)
    if result.reached:
        return f"{_counted(result, result.size)} keep {kept} of the answer"
    return f"No circuit smaller than the model comes within {percent_of_gap(1 - result.level)} of its answer"


def _level(result: Any) -> str:
    best = listed([result.node_names[i] for i in graph.order(result.node_score)[:3]])
    if not result.reached:
        kept = percent_of_gap(result.faithfulness)
        return f"The best there is: {_counted(result, result.size)} keep {kept}. The strongest parts are {best}."
    return f"The strongest parts are {best}; all that is not kept is replaced by {INSTEAD[result.ablation]}."


def _control(result: Any) -> str:
    if not np.isfinite(result.random_faithfulness):
        return ""
    draws = result.random.shape[1]
    return (
        f"A random circuit of equal size keeps {percent_of_gap(result.random_faithfulness)} (mean of {draws} draws), "
        f"and the model without this circuit {percent_of_gap(result.completeness)}."
    )


def _rest(result: Any) -> list[str]:
    ends = f"{signed(float(result.whole[~result.held_out].mean()))} with everything kept and "
    ends += f"{signed(float(result.empty[~result.held_out].mean()))} with nothing"
    return [f"The {result.target.quantity} is {ends}."]


def _apart(result: Any) -> list[str]:
    if not result.held_out.any():
        few = len(result.prompts)
        said = "one pair of prompts" if few == 1 else f"{few} pairs, all used to find it"
        return [f"It is about {said}: add at least {family.SPLIT_FROM} pairs to see whether it holds on others."]
    sentence = (
        f"On the {int(result.held_out.sum())} pairs that it was not searched with, it keeps "
        f"{percent_of_gap(result.held_out_faithfulness)}"
    )
    if np.isfinite(result.stability):
        sentence += f"; found anew on resampled pairs, circuits share {result.stability:.0%} of their parts (Jaccard)"
    return [f"{sentence}."]


def _trust(result: Any) -> list[str]:
    said = []
    if np.isfinite(result.correlation):
        value = f"{result.correlation:.2f}".replace("-", "−")
        said.append(f"Estimated and measured effects correlate at {value}.")
    if result.without_edges:
        said.append(result.without_edges)
    return said
