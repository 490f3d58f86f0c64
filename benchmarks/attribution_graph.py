"""An attribution graph of features between two prompts of 15 tokens: against one backward pass for each reader."""

from __future__ import annotations

import itertools

import torch

from benchmarks.timing import Row, bounded, faster, in_turns
from mi_core.analyses.attribution_graph import attribution_graph
from mi_core.graphs.account import Account
from mi_core.graphs.feature_nodes import feature_nodes
from mi_core.graphs.places import opened
from mi_core.metrics.target import resolve
from mi_core.models.loading import load

CLEAN = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Mary and John went to the store, Mary gave a drink to"
EACH = 80  # features of a place that are told apart
REPETITIONS = 3


def measure() -> list[Row]:
    """The usual way knows the same nodes, and asks for the way back of each reader by itself."""
    model = load("loupe-mini")
    saes = opened(model)
    clean, other = (model.tokens(text) for text in (CLEAN, OTHER))
    account = Account(model, clean.ids, other.ids, resolve(model, " Mary", " John", 0), 10)
    unread = torch.tensor([pos == 0 for pos in range(len(clean))])

    def usual() -> None:
        mine, theirs, _ = account.both([sae.hook for sae in saes])
        for before, after in itertools.pairwise(saes):
            with account.passing(after.hook, mine[after.hook], theirs[after.hook], []) as run:
                worth = run.worth()
            nodes = feature_nodes(after, mine[after.hook], theirs[after.hook], worth, unread, EACH)
            with account.passing(before.hook, mine[before.hook], theirs[before.hook], [after.hook]) as run:
                for node, reads in zip(nodes.nodes, nodes.reads, strict=True):
                    value = (run.acts[after.hook][:, node.pos] @ reads * run.weight).sum()
                    torch.autograd.grad(value, run.start, retain_graph=True)

    asked = {"corrupted": OTHER, "target": " Mary", "foil": " John", "nodes": EACH * len(saes)}
    ways = {"usual": usual, "loupe": lambda: attribution_graph(model, CLEAN, **asked)}
    seconds = in_turns(ways, REPETITIONS)
    task = "attribution graph, 15 tokens, loupe-mini"
    return [
        faster(f"{task}, its measurements included", seconds["usual"], seconds["loupe"]),
        bounded(f"{task}, whole", seconds["loupe"], 2.0, "s"),
    ]
