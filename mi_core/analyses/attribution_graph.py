"""What is this answer made of, node by node and edge by edge?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from mi_core.circuits import family as families
from mi_core.circuits import graph as circuit_graph
from mi_core.errors import InputError, choose, shortened
from mi_core.graphs import graph_reading, places
from mi_core.graphs.account import Account
from mi_core.graphs.forecast import foretold
from mi_core.graphs.graph import Graph, component_graph, feature_graph
from mi_core.graphs.groups import parse
from mi_core.graphs.influence import NODES as NODE_SHARE
from mi_core.graphs.influence import edge_influence, graph_scores
from mi_core.graphs.kinds import ANSWER, BIAS, FEATURE, TOLD_APART
from mi_core.graphs.measured import READERS, edge_effects, node_effects
from mi_core.graphs.settle import TRUSTED, settled
from mi_core.graphs.shared import Labels, shared
from mi_core.graphs.view import View, view
from mi_core.metrics.agreement import agreement
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.result import Check, Reading, same_length, whole_numbers
from mi_core.saes.notes import notes
from mi_core.saes.sae import Sae

BASES = ("auto", "feature", "component", "neuron")
POINTS, NODES, MEASURED = range(1, 501), range(10, 5001), range(0, 501)
ARROW = "→"
FEWEST = 10  # points
LISTED = 2000  # edges in the table: the strongest


@dataclass(frozen=True)
class AttributionGraph:
    """An answer as a graph of what was written into the residual stream.

    Between two prompts every number is of the change from the second to the first; of one prompt alone, of the stream
    itself, with attention patterns, norm scales and MLP gains held.
    """

    model: str
    tokens: Tokens
    """Of the clean prompt."""
    corrupted_tokens: Tokens | None
    """Of the second prompt; None for one prompt alone."""
    target: Target
    pos: int
    """The position whose next token is asked for."""
    basis: str
    """``"feature"``, ``"component"`` (heads and MLPs) or ``"neuron"`` (heads and neurons)."""
    total: float
    """The answer's difference between the prompts, or the answer through the held norm, without biases; in logits."""
    probability: float
    """What the model gives the answer after the clean prompt."""
    names: tuple[str, ...]
    """[node] `L2F123@5`, `L0H3@4`, `MLP 1@5`; the answer is last."""
    kinds: tuple[str, ...]
    levels: tuple[int, ...]
    """[node] Blocks passed, of features; the block, of what blocks write; −1 for tokens."""
    positions: tuple[int, ...]
    """[node] −1 for what belongs to none."""
    numbers: tuple[int, ...]
    """[node] Feature, head or neuron; −1 for what has none."""
    labels: tuple[str, ...]
    """[node] Of features; empty where there is none."""
    amounts: Float[np.ndarray, " node"]
    """[node] A feature's activation, or its change; NaN for others."""
    scores: Float[np.ndarray, " node"]
    """[node] Worth to the answer, in logits."""
    effects: Float[np.ndarray, " node"]
    """[node] By how much the answer falls without it, measured; NaN where it was not."""
    influences: Float[np.ndarray, " node"]
    """[node] Share of the answer along all ways that go through it."""
    edge: Float[np.ndarray, "node node"]
    """[reader, source] What of the reader's score came through the source, in logits."""
    edge_effect: Float[np.ndarray, "node node"]
    """[reader, source] By how much the answer falls when the reader alone no longer meets the source; NaN where it was
    not measured."""
    saes: tuple[tuple[int, str], ...]
    """(level, name) of the SAEs whose features there are; none of heads and neurons."""
    sums: tuple[tuple[int, float], ...]
    """(level, worth of everything that stands in the stream there): the same everywhere between two prompts."""
    replacement: float
    """Of the influence that ends in tokens or errors, the tokens' share."""
    completeness: float
    """Of what comes into the nodes, weighted by their influence, the share that is no error."""
    pairs: tuple[str, ...]
    """The clean prompts that were merged; the first alone where there is no family."""
    shared: tuple[tuple[str, str, float, float], ...]
    """Over the pairs: (node without its position, label, score averaged, share of prompts in which it matters)."""
    checks: tuple[Check, ...]
    units: str = "logits (score, effect); share (influence, replacement, completeness)"
    column_units: ClassVar = {
        "nodes": {"score": "logits", "effect": "logits", "influence": "share of the answer"},
        "edges": {"score": "logits", "effect": "logits"},
        "sums": {"sum": "logits"},
        "shared": {"score": "logits", "share": "share of the prompts"},
    }

    def __post_init__(self) -> None:
        same_length(self, "names", "kinds", "levels", "positions", "numbers", "labels", "scores", "edge", "edge_effect")

    @property
    def alone(self) -> bool:
        """Whether it is of one prompt, with what bends held."""
        return self.corrupted_tokens is None

    def correlation(self, of: Literal["nodes", "edges"]) -> float:
        """Between score and measured effect, over what was measured (of nodes: tokens and errors aside); NaN for fewer
        than 3."""
        score, effect = (self.scores, self.effects) if of == "nodes" else (self.edge, self.edge_effect)
        if of == "nodes":
            effect = np.where(np.isin(self.kinds, TOLD_APART), effect, np.nan)
        return agreement(score, effect)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`nodes`: a row each, by influence. `edges`: the strongest. `sums`: a row per place. `scores`: one row.
        `shared`: a row per node of the family.
        """
        return {
            "nodes": self._nodes(),
            "edges": self._edges(),
            "sums": pd.DataFrame(self.sums, columns=["layer", "sum"]),
            "scores": self._scores(),
            "shared": pd.DataFrame(self.shared, columns=["component", "label", "score", "share"]),
        }

    def whole(self) -> pd.DataFrame:
        """Every node in the order of the edges' axes, as `mi_core.graphs.view.view` takes them."""
        return pd.DataFrame(
            {
                "name": self.names,
                "kind": self.kinds,
                "level": self.levels,
                "pos": self.positions,
                "number": self.numbers,
                "token": [self.tokens.texts[pos] if pos >= 0 else "" for pos in self.positions],
                "label": self.labels,
                "activation": self.amounts,
                "score": self.scores,
                "influence": self.influences,
                "effect": self.effects,
            }
        )

    def shown(self, node_share: float = NODE_SHARE, pinned: Sequence[str] = (), groups: str = "") -> View:
        """The nodes that together have this share of the influence, and what is pinned; grouped as the text says.

        Raises:
            InputError: The text is none of groups (`mi_core.graphs.groups`).
        """
        return view(
            self.whole(), self.edge, self.edge_effect, node_share=node_share, pinned=pinned, groups=parse(groups)
        )

    def _nodes(self) -> pd.DataFrame:
        frame = self.whole().rename(columns={"name": "component", "level": "layer"})
        frame["pos"] = whole_numbers(frame["pos"].tolist())
        frame["number"] = whole_numbers(frame["number"].tolist())
        frame["layer"] = whole_numbers(frame["layer"].tolist())
        return frame.sort_values("influence", ascending=False, kind="stable").reset_index(drop=True)

    def _edges(self) -> pd.DataFrame:
        reader, source = np.nonzero(self.edge)
        rank = np.argsort(-np.abs(self.edge[reader, source]), kind="stable")[:LISTED]
        reader, source = reader[rank], source[rank]
        names = np.array(self.names, dtype=object)
        return pd.DataFrame(
            {
                "from": names[source],
                "to": names[reader],
                "rank": np.arange(1, len(rank) + 1),
                "score": self.edge[reader, source],
                "effect": self.edge_effect[reader, source],
            }
        )

    def _scores(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "total": self.total,
                    "replacement_score": self.replacement,
                    "unexplained": 1 - self.replacement,
                    "completeness_score": self.completeness,
                    "node_correlation": self.correlation("nodes"),
                    "edge_correlation": self.correlation("edges"),
                }
            ]
        )

    def reading(self) -> Reading:
        """What carries most of the answer, how much no node explains, and whether running the model agrees."""
        return graph_reading.reading(self)


def attribution_graph(
    model: Model,
    prompt: str,
    *,
    corrupted: str | None = None,
    family: str = "",
    target: str | None = None,
    foil: str | None = None,
    basis: Literal["auto", "feature", "component", "neuron"] = "auto",
    points: int | None = None,
    nodes: int = 400,
    measured: int = 60,
    also: tuple[str, ...] = (),
    pos: int | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> AttributionGraph:
    """An answer taken apart into a graph: what was written where, what that is worth, and what it came from.

    With a second prompt, nodes are worth the gradient averaged along the line between both streams times their change
    (integrated gradients at each place, Marks et al. 2024, "Sparse Feature Circuits"), so that all of a place adds up
    to the difference of the answers, and an edge is what of its reader's worth came through its source. Of one prompt
    alone, attention patterns, norm scales and MLP gains are held (Ameisen et al. 2025, "Circuit Tracing"): that says
    what the sum is made of, not what would happen. The strongest nodes and edges are then measured by running the
    model without them, nothing held; where the two differ, the measurement is right.

    Args:
        model: The model.
        prompt: The clean prompt.
        corrupted: A prompt of as many tokens, alike but for what is asked about; None or empty for one prompt alone.
        family: More pairs, as `circuit` takes them: the graphs' nodes are averaged over all pairs.
        target: The answer; None for the clean prompt's top guess.
        foil: What it is compared with; None for the corrupted prompt's top guess, if that is another.
        basis: Of what: features of SAEs and what these leave unexplained, heads and MLPs (component), or heads and
            neurons; auto takes features where the model has SAEs.
        points: Gauss–Legendre points between both prompts, 1 to 500; None for 10, doubled until the places add up to
            the same.
        nodes: Features, or heads and neurons, that are told apart; the rest of a position is one node.
        measured: How many of the strongest nodes, and of the edges, are measured, up to 500 each.
        also: Names of further nodes, and of edges (`L2F306@5 → L3F480@5`), that are measured.
        pos: Position whose next-token logits are read; None for the last.
        prepend_bos: None follows the model's own habit.
        progress: Called between steps with (steps done, steps in all, the graph so far).

    Returns:
        Scores and effects in logits: between two prompts after any soft cap, alone before it.

    Raises:
        InputError: A bad prompt, target, position, number or family (the row is named); prompts of unequal length or
            without a contrast; a model that cannot be taken apart, or has no SAE where features are asked for.
    """
    accounts = _accounts(model, prompt, corrupted, family, target, foil, points, pos, prepend_bos)
    made_of, saes = _basis(model, basis, nodes, measured)
    steps, done = _steps(model, saes, len(accounts)), 0
    partial: AttributionGraph | None = None

    def told(count: int) -> None:
        nonlocal done
        done = min(done + count, steps - 1)
        progress(done, steps, partial)

    graphs: list[Graph] = []
    for account, _, _ in accounts:
        build = functools.partial(_graph, made_of, saes, nodes, accounts[0][1], told)
        graphs.append(build(account) if points else settled(account, build))
        if partial is None:
            partial = _result(model, accounts, graphs, made_of, saes)
    assert partial is not None, "there is a pair, or a prompt alone"
    found = partial if len(graphs) == 1 else _result(model, accounts, graphs, made_of, saes)
    found = _measured(found, accounts[0][0], graphs[0], saes, measured, also)
    progress(steps, steps, found)
    return found


def planned(model: Model, **settings: Any) -> tuple[int, float, int]:
    """Steps that `attribution_graph` would take, all of its settings given; the seconds and bytes it would take.

    Raises:
        InputError: As `attribution_graph` does.
    """
    asked = {name: settings[name] for name in ("corrupted", "family", "target", "foil", "points", "pos", "prepend_bos")}
    accounts = _accounts(model, settings["prompt"], **asked)
    _, saes = _basis(model, settings["basis"], settings["nodes"], settings["measured"])
    each = foretold(accounts[0][0], saes, settings["nodes"], settings["measured"])
    return _steps(model, saes, len(accounts)), len(accounts) * each.graph + each.measuring, each.bytes


Accounts = list[tuple[Account, Tokens, Tokens | None]]


def _accounts(
    model: Model,
    prompt: str,
    corrupted: str | None,
    family: str,
    target: str | None,
    foil: str | None,
    points: int | None,
    pos: int | None,
    prepend_bos: bool | None,
) -> Accounts:
    """What is asked of each pair, the page's own first."""
    if points is not None and points not in POINTS:
        raise InputError(f"There cannot be {points} points: choose 1 to {POINTS[-1]}.", "points")
    if circuit_graph.obstacle(model):
        raise InputError(
            f"In {model.id} what one part reads of another cannot be told apart, so there is no graph to draw: look at "
            "the page Ablation, or choose another model.",
            "model",
        )
    if not (corrupted or "").strip():
        if family.strip():
            raise InputError("A family is of pairs: give your prompt a second one too.", "corrupted")
        tokens = model.tokens(prompt, prepend_bos)
        position = model.position(tokens, pos)
        ids = model.up_to(tokens.ids, position)
        answer = resolve(model, target, foil, int(model.run(tokens, (), logits=position).logits[0].argmax()))
        return [(Account(model, ids, None, answer, 1), tokens, None)]
    own = families.Asked(prompt, str(corrupted), target or "", foil or "")
    asked = [own, *(one for one in families.pairs(family) if one != own)]
    return [
        (
            Account(model, case.ids, case.other, case.target, points or FEWEST),
            case.prompts.clean,
            case.prompts.corrupted,
        )
        for case in families.cases(model, asked, pos, prepend_bos)
    ]


def _basis(model: Model, basis: str, nodes: int, measured: int) -> tuple[str, list[Sae]]:
    """What the graph is made of, and the SAEs that it needs."""
    choose(basis, BASES, "basis", "kind of nodes")
    if nodes not in NODES:
        raise InputError(f"{nodes} nodes cannot be told apart: choose {NODES[0]} to {NODES[-1]:,}.", "nodes")
    if measured not in MEASURED:
        raise InputError(f"{measured} nodes cannot be measured: choose 0 to {MEASURED[-1]}.", "measured")
    if basis == "auto":
        basis = FEATURE if places.sites(model.id) else "component"
    return basis, places.opened(model) if basis == FEATURE else []


def _steps(model: Model, saes: Sequence[Sae], pairs: int) -> int:
    return pairs * (len(saes) or model.n_layers) + 1


def _graph(
    made_of: str, saes: Sequence[Sae], nodes: int, tokens: Tokens, told: Callable[[int], None], account: Account
) -> Graph:
    model = account.model
    if made_of == FEATURE:
        unread = torch.zeros(len(account.ids), dtype=torch.bool, device=model.device)
        unread[0] = tokens.has_bos
        return feature_graph(account, saes, unread, max(1, nodes // len(saes)), told)
    return component_graph(account, max(1, nodes // model.n_layers), made_of == "neuron", told)


def _result(
    model: Model, accounts: Accounts, graphs: Sequence[Graph], basis: str, saes: Sequence[Sae]
) -> AttributionGraph:
    account, tokens, other = accounts[0]
    graph = graphs[0]
    kinds = [node.kind for node in graph.nodes]
    told = graph_scores(kinds, graph.edge)
    pos = len(account.ids) - 1
    logits = model.run(tokens, (), logits=pos).logits[0].float()
    n = len(graph.nodes)
    labels = _labels(saes)
    return AttributionGraph(
        model=model.id,
        tokens=tokens,
        corrupted_tokens=other,
        target=account.target,
        pos=pos,
        basis=basis,
        total=graph.total,
        probability=float(logits.softmax(-1)[account.target.token_id]),
        names=tuple(one.name for one in graph.nodes),
        kinds=tuple(kinds),
        levels=tuple(model.n_layers + 1 if one.kind == ANSWER else one.level for one in graph.nodes),
        positions=tuple(pos if one.kind == ANSWER else one.pos for one in graph.nodes),
        numbers=tuple(one.number for one in graph.nodes),
        labels=tuple(labels(one.hook, one.number) for one in graph.nodes),
        amounts=np.array([one.amount for one in graph.nodes]),
        scores=graph.score,
        effects=np.full(n, np.nan),
        influences=told.influence,
        edge=graph.edge,
        edge_effect=np.full((n, n), np.nan),
        saes=tuple((sae.residual_layer, sae.name) for sae in saes),
        sums=graph.sums,
        replacement=told.replacement,
        completeness=told.completeness,
        pairs=tuple("".join(each.texts[each.has_bos :]) for _, each, _ in accounts[: len(graphs)]),
        shared=shared(graphs, labels),
        checks=_checks(account, graph),
    )


def _labels(saes: Sequence[Sae]) -> Labels:
    books = {sae.hook: notes(sae.entry) for sae in saes}
    return lambda hook, number: books[hook].of(number).label if number >= 0 and hook in books else ""


def _checks(account: Account, graph: Graph) -> tuple[Check, ...]:
    if account.other is None:
        name = "with patterns, norm scales and gains held, the answer is the model’s own (share of it)"
        return (Check(name, account.off() / max(1.0, abs(graph.total)), 1e-3),)
    places = "at every place the nodes add up to the difference of the answers (share of it)"
    nodes = "a node’s incoming edges add up to its score (share of the answer)"
    return (Check(places, graph.places_off, TRUSTED), Check(nodes, graph.nodes_off, TRUSTED))


def _measured(
    found: AttributionGraph, account: Account, graph: Graph, saes: Sequence[Sae], measured: int, also: Sequence[str]
) -> AttributionGraph:
    """With the nodes and edges of most influence measured, and those that are named."""
    kinds = found.kinds
    node, through = found.influences, edge_influence(kinds, found.edge, found.influences)
    nodes, pairs = _named(found, also)
    able = [i for i in np.argsort(-node, kind="stable").tolist() if kinds[i] not in (ANSWER, BIAS)]
    nodes = list(dict.fromkeys([*able[:measured], *nodes]))
    through = np.where(np.isin(kinds, READERS)[:, None] & (np.array(kinds) != BIAS), through, 0.0)
    order = np.argsort(-through, axis=None, kind="stable")[:measured]
    strongest = [divmod(int(i), len(kinds)) for i in order if through.flat[i] > 0]
    pairs = list(dict.fromkeys([*strongest, *pairs]))
    effects, edges = found.effects.copy(), found.edge_effect.copy()
    effects[nodes] = node_effects(account, [graph.nodes[i] for i in nodes], silent)
    ends = [(graph.nodes[source], graph.nodes[reader]) for reader, source in pairs]
    values = edge_effects(account, ends, {sae.hook: sae for sae in saes}, silent)
    for (reader, source), value in zip(pairs, values, strict=True):
        edges[reader, source] = value
    return replace(found, effects=effects, edge_effect=edges)


def _named(found: AttributionGraph, names: Sequence[str]) -> tuple[list[int], list[tuple[int, int]]]:
    """Nodes, and (reader, source) of edges.

    Raises:
        InputError: The graph has no such node.
    """
    at = {name: i for i, name in enumerate(found.names)}
    nodes, pairs = [], []
    for name in names:
        ends = [end.strip() for end in name.split(ARROW)]
        if unknown := next((end for end in ends if end not in at), None):
            raise InputError(f"This graph has no {shortened(unknown, 40)}: click a node or a line.", "also")
        if len(ends) == 2:
            pairs.append((at[ends[1]], at[ends[0]]))
        elif found.kinds[at[ends[0]]] not in (ANSWER, BIAS):
            nodes.append(at[ends[0]])
    return nodes, pairs
