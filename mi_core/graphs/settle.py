"""A graph with as many points between the prompts as its sums need."""

from __future__ import annotations

from collections.abc import Callable

from mi_core.errors import InputError
from mi_core.graphs.account import Account
from mi_core.graphs.graph import Graph

SETTLED, TRUSTED = 2e-3, 1e-2  # shares of the answer


def settled(account: Account, build: Callable[[Account], Graph]) -> Graph:
    """The graph, built with points doubled until its sums hold, or there is no room for more.

    Args:
        account: The answer, with the fewest points.
        build: Makes the graph of an account.

    Raises:
        InputError: The sums are still off by more than `TRUSTED` of the answer.
    """
    graph = build(account)
    if account.other is None or (graph.places_off <= SETTLED and graph.nodes_off <= TRUSTED):
        return graph
    more = account.doubled()
    if more is not None:
        return settled(more, build)
    off = max(graph.places_off, graph.nodes_off)
    if off > TRUSTED:
        raise InputError(
            f"Between these prompts {account.model.id} bends so much that its sums are off by {off:.0%} of the answer "
            "and cannot be trusted: choose prompts that differ less, or look at one prompt alone.",
            "corrupted",
        )
    return graph
