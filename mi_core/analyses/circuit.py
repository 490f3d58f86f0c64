"""Which few parts do this by themselves?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from mi_core.circuits import curve, family, graph
from mi_core.circuits import reading as in_words
from mi_core.circuits.search import Search
from mi_core.errors import InputError, choose
from mi_core.interventions.cost import BLOCK_WIDTHS, FLOAT, ROOM
from mi_core.interventions.sweep import POSITIONS_AT_ONCE
from mi_core.metrics.agreement import agreement
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.result import Check, Reading, same_length, whole_numbers

UNITS = ("node", "edge")
LISTED = 2000  # nodes, and edges, that tables hold: the strongest
ROUNDING = 1e-3  # logits
POINTS, DRAWS = range(1, 51), range(1, 51)


@dataclass(frozen=True)
class Circuit:
    """The parts that keep a chosen share of what the whole model does, and how that was graded.

    F(C) = (m(C) − m(∅)) / (m(M) − m(∅)), m the target's logit (difference) averaged over the pairs, M the model with
    everything kept, ∅ with nothing kept.
    """

    model: str
    tokens: Tokens
    """Of the first pair's clean prompt."""
    corrupted_tokens: Tokens
    target: Target
    """Of the first pair."""
    pos: int
    """The position whose next token is asked for, in the first pair."""
    unit: str
    """Of what the circuit is made: ``"node"`` or ``"edge"``."""
    parts: str
    ablation: str
    level: float
    """The faithfulness that was asked for."""
    reached: bool
    """Whether a circuit smaller than the model reaches it; else the best there is was taken."""
    size: int
    """Parts ranked into the circuit."""
    n_parts: int
    """Parts there are."""
    prompts: tuple[str, ...]
    """[case] The clean prompts."""
    corrupted_prompts: tuple[str, ...]
    targets: tuple[Target, ...]
    held_out: Bool[np.ndarray, " case"]
    """[case] Kept away from the search."""
    whole: Float[np.ndarray, " case"]
    """[case] m(M), in logits."""
    empty: Float[np.ndarray, " case"]
    """[case] m(∅), in logits."""
    own: Float[np.ndarray, " case"]
    """[case] m(C), in logits."""
    faithfulness: float
    """F(C) on the search's pairs."""
    held_out_faithfulness: float
    """F(C) on the others; NaN where there are none."""
    completeness: float
    """F(M∖C): what all but the circuit keeps. Low is good."""
    cpr: float
    """Area under F, over the share of parts kept."""
    cmd: float
    """Area between F and 1."""
    stability: float
    """Jaccard similarity of circuits found on resampled pairs; NaN for a single pair."""
    node_names: tuple[str, ...]
    """[node] `L3H0`, `MLP 3`, `L3N17`."""
    node_kinds: tuple[str, ...]
    node_layers: tuple[int, ...]
    node_heads: tuple[int, ...]
    """[node] Which head each is; −1: none."""
    node_score: Float[np.ndarray, " node"]
    """[node] Estimated fall of the target without it, in logits."""
    node_effect: Float[np.ndarray, " node"]
    """[node] The same as measured, one node out at a time; NaN where it was not."""
    node_kept: Bool[np.ndarray, " node"]
    edges: tuple[tuple[str, str, str], ...]
    """[edge] (from, to, via)."""
    edge_score: Float[np.ndarray, " edge"]
    edge_effect: Float[np.ndarray, " edge"]
    edge_kept: Bool[np.ndarray, " edge"]
    sizes: Int[np.ndarray, " size"]
    """[size] Parts of each circuit that was run."""
    sizes_kept: Int[np.ndarray, " size"]
    """[size] Those of them from which the answer can be reached."""
    faithful: Float[np.ndarray, " size"]
    """[size] F on the search's pairs."""
    faithful_held_out: Float[np.ndarray, " size"]
    """[size] F on the others."""
    random: Float[np.ndarray, "size draw"]
    """[size, draw] F of random circuits of as many parts, on the search's pairs."""
    without_edges: str
    """Why there are no edges; empty where there are."""
    checks: tuple[Check, ...]
    units: str = "logits (score, effect); share of the whole model’s answer (faithfulness, random)"
    column_units: ClassVar = {
        "nodes": {"score": "logits", "effect": "logits"},
        "edges": {"score": "logits", "effect": "logits"},
        "pairs": {"whole": "logits", "empty": "logits", "own": "logits"},
    }

    def __post_init__(self) -> None:
        same_length(self, "tokens", "corrupted_tokens")
        same_length(self, "edges", "edge_score", "edge_effect", "edge_kept")
        same_length(
            self, "node_names", "node_kinds", "node_layers", "node_heads", "node_score", "node_effect", "node_kept"
        )

    @property
    def random_faithfulness(self) -> float:
        """F of a random circuit of the chosen size, averaged over draws; NaN before it was measured."""
        return float(self.random[self.sizes.tolist().index(self.size)].mean())

    @property
    def correlation(self) -> float:
        """Between score and measured effect, over what was measured of the circuit's own kind; NaN for fewer than 3."""
        score, effect = (
            (self.edge_score, self.edge_effect) if self.unit == "edge" else (self.node_score, self.node_effect)
        )
        return agreement(score, effect)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`nodes` and `edges`: a row each, the strongest first. `faithfulness`: a row per size. `grades`: one row.
        `pairs`: a row per pair of prompts.
        """
        return {
            "nodes": self._nodes(),
            "edges": self._edges(),
            "faithfulness": self._curve(),
            "grades": self._grades(),
            "pairs": self._pairs(),
        }

    def _nodes(self) -> pd.DataFrame:
        rank = graph.order(self.node_score)[:LISTED]
        return pd.DataFrame(
            {
                "component": np.array(self.node_names, dtype=object)[rank],
                "kind": np.array(self.node_kinds, dtype=object)[rank],
                "layer": np.array(self.node_layers)[rank],
                "head": whole_numbers(np.array(self.node_heads)[rank].tolist()),
                "rank": np.arange(1, len(rank) + 1),
                "score": self.node_score[rank],
                "effect": self.node_effect[rank],
                "kept": self.node_kept[rank],
            }
        )

    def _edges(self) -> pd.DataFrame:
        rank = graph.order(self.edge_score)[:LISTED]
        start, end, via = ([self.edges[i][column] for i in rank] for column in range(3))
        return pd.DataFrame(
            {
                "from": start,
                "to": end,
                "via": via,
                "rank": np.arange(1, len(rank) + 1),
                "score": self.edge_score[rank],
                "effect": self.edge_effect[rank],
                "kept": self.edge_kept[rank],
            }
        )

    def _curve(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "size": self.sizes,
                "share": self.sizes / self.n_parts,
                "kept": self.sizes_kept,
                "faithfulness": self.faithful,
                "held_out": self.faithful_held_out,
                "random": self.random.mean(1),
                "random_lowest": self.random.min(1),
                "random_highest": self.random.max(1),
            }
        )

    def _grades(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "level": self.level,
                    "reached": self.reached,
                    "size": self.size,
                    "parts": self.n_parts,
                    "faithfulness": self.faithfulness,
                    "held_out": self.held_out_faithfulness,
                    "random": self.random_faithfulness,
                    "completeness": self.completeness,
                    "cpr": self.cpr,
                    "cmd": self.cmd,
                    "jaccard": self.stability,
                    "correlation": self.correlation,
                }
            ]
        )

    def _pairs(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "clean": self.prompts,
                "corrupted": self.corrupted_prompts,
                "target": [target.text for target in self.targets],
                "foil": [target.foil_text for target in self.targets],
                "held_out": self.held_out,
                "whole": self.whole,
                "empty": self.empty,
                "own": self.own,
                "faithfulness": (self.own - self.empty) / (self.whole - self.empty),
            }
        )

    def reading(self) -> Reading:
        """How small it is, what chance would keep, and what it does on pairs it was not found on."""
        return in_words.reading(self)


def circuit(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    family: str = "",
    target: str | None = None,
    foil: str | None = None,
    unit: Literal["node", "edge"] = "node",
    parts: Literal["head_mlp", "head", "head_neuron"] = "head_mlp",
    level: float = 0.8,
    ablation: Literal["mean", "resample", "zero"] = "mean",
    points: int = 8,
    draws: int = 5,
    seed: int = 0,
    pos: int | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Circuit:
    """The smallest circuit found that keeps a chosen share of what the model says, graded against chance.

    Nodes (heads, MLPs or neurons) and edges (what one reads of another) are ranked by edge attribution patching with
    integrated gradients (Hanna et al. 2024, "Have Faith in Faithfulness"): a first guess. Then circuits of the parts
    ranked first are run exactly, everything outside replaced at every position, until one keeps the share that was
    asked for (faithfulness, Wang et al. 2022; Marks et al. 2024; sizes as in MIB, Mueller et al. 2025). It does not
    show that no smaller circuit of other parts would do, and it depends on what is put outside (Miller et al. 2024).

    Args:
        model: The model.
        prompt: The clean prompt.
        corrupted: A prompt of as many tokens, alike but for what is asked about.
        family: More pairs: lines `clean | corrupted | target | foil`, in which words in braces are slots that lines
            `name = first, second` fill, or CSV with these columns. With four pairs or more half are held out.
        target: The answer of the first pair; None for the clean prompt's top guess.
        foil: What it is compared with; None for the corrupted prompt's top guess, if that is another.
        unit: Of what the circuit is made: nodes, or edges between heads and MLPs.
        parts: Which nodes there are; MLPs that are none are always kept.
        level: Faithfulness to reach, above 0 and below 1: it may be as far above 1 as below, and no further, because a
            circuit that says far more than the model does something else.
        ablation: What stands outside: the mean over the search's prompts at each position, the corrupted run
            (resample), or zero.
        points: Gauss–Legendre points between both prompts, 1 to 50.
        draws: Random circuits of each size, 1 to 50.
        seed: For what is held out, drawn and resampled.
        pos: Position whose next-token logits are read, in every prompt; None for the last.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all, the circuit so far).

    Returns:
        Scores and effects in logits (after any soft cap), faithfulness as a share.

    Raises:
        InputError: A bad prompt, target, position, level or family (the row is named); pairs without a contrast, or of
            unequal lengths; edges where the model's cannot be cut.
    """
    search, why = _search(
        model,
        prompt,
        corrupted=corrupted,
        family=family,
        target=target,
        foil=foil,
        unit=unit,
        parts=parts,
        level=level,
        ablation=ablation,
        points=points,
        draws=draws,
        seed=seed,
        pos=pos,
        prepend_bos=prepend_bos,
    )
    total, done, partial = search.circuits(), 0, None

    def told(circuits: int) -> None:
        nonlocal done
        done = min(done + circuits, total - 1)
        progress(done, total, partial)

    search.told = told
    for _ in search.steps():
        if search.values:
            partial = _result(search, parts, why)
    found = _result(search, parts, why)
    progress(total, total, found)
    return found


def planned(model: Model, **settings: Any) -> tuple[int, float, int]:
    """Runs of one prompt that `circuit` would make, all of its settings given; the seconds and bytes it would take.

    Raises:
        InputError: As `circuit` does.
    """
    began = time.perf_counter()
    search, _ = _search(model, **settings)
    preparing = time.perf_counter() - began
    held = max(POSITIONS_AT_ONCE, search.points * search.cases[0].n_pos) * model.n_layers
    size = ROOM + FLOAT * held * BLOCK_WIDTHS * model.d_model
    return search.circuits(), preparing + search.foretold(), size


def _search(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    family: str,
    target: str | None,
    foil: str | None,
    unit: str,
    parts: str,
    level: float,
    ablation: str,
    points: int,
    draws: int,
    seed: int,
    pos: int | None,
    prepend_bos: bool | None,
) -> tuple[Search, str]:
    """The search, ready to begin, and why it has no edges."""
    choose(unit, UNITS, "unit", "unit of a circuit")
    _check_numbers(level, points, draws)
    own = _families.Asked(prompt, corrupted, target or "", foil or "")
    asked = [own, *(one for one in _families.pairs(family) if one != own)]
    nodes = graph.nodes(model, parts)
    edges, why = _edges(model, unit, parts)
    cases = _families.cases(model, asked, pos, prepend_bos)
    apart = _families.held_out(len(cases), seed)
    search = Search(model, cases, apart, nodes, edges, unit == "edge", ablation, level, points, draws, seed)
    return search, why


_families = family  # the setting `family` hides the module inside the functions that have it


def _edges(model: Model, unit: str, parts: str) -> tuple[graph.Edges | None, str]:
    if parts != "head_mlp":
        if unit == "edge":
            raise InputError("Edges run between heads and MLPs: choose both as parts, or search among nodes.", "parts")
        return None, ""
    try:
        return graph.edges(model), ""
    except InputError as error:
        if unit == "edge":
            raise
        return None, error.message


def _check_numbers(level: float, points: int, draws: int) -> None:
    if not 0 < level < 1:
        raise InputError(f"A circuit cannot be asked to keep {level:g}: choose a share above 0 and below 1.", "level")
    if points not in POINTS:
        raise InputError(f"There cannot be {points} points: choose 1 to {POINTS[-1]}.", "points")
    if draws not in DRAWS:
        raise InputError(f"There cannot be {draws} random circuits: choose 1 to {DRAWS[-1]}.", "draws")


def _result(search: Search, parts: str, why: str) -> Circuit:
    """What is known so far."""
    first, nan = search.cases[0], float("nan")
    size, faithful = search.curve()
    chosen = search.chosen if search.chosen is not None else _so_far(search, size, faithful)
    own = search.values[chosen] if search.own is None else search.own
    rest = search.complement
    grid = curve.sizes(search.runs.n_parts)
    none = np.full((search.draws, len(search.cases)), nan)
    random = np.stack([search.faithfulness(_drawn(search, each, none), search.searched) for each in size])
    node_kept, edge_kept = _kept(search, chosen)
    edges = () if search.edges is None else tuple(search.edges.listed())
    return Circuit(
        model=search.model.id,
        tokens=first.prompts.clean,
        corrupted_tokens=first.prompts.corrupted,
        target=first.target,
        pos=first.pos,
        unit="edge" if search.by_edges else "node",
        parts=parts,
        ablation=search.ablation,
        level=search.level,
        reached=search.reached
        if search.chosen is not None
        else curve.reaches(faithful[size.index(chosen)], search.level),
        size=chosen,
        n_parts=search.runs.n_parts,
        prompts=tuple("".join(case.prompts.clean.texts[case.prompts.clean.has_bos :]) for case in search.cases),
        corrupted_prompts=tuple(
            "".join(case.prompts.corrupted.texts[case.prompts.corrupted.has_bos :]) for case in search.cases
        ),
        targets=tuple(case.target for case in search.cases),
        held_out=np.array(search.held_out),
        whole=search.whole,
        empty=search.empty,
        own=own,
        faithfulness=float(search.faithfulness(own, search.searched)),
        held_out_faithfulness=float(search.faithfulness(own, search.held_out)),
        completeness=nan if rest is None else float(search.faithfulness(rest, search.searched)),
        **dict(zip(("cpr", "cmd"), curve.areas(grid, faithful[[size.index(each) for each in grid]]), strict=True)),
        stability=search.stability(),
        node_names=search.nodes.names,
        node_kinds=search.nodes.kinds,
        node_layers=search.nodes.layers,
        node_heads=search.nodes.heads,
        node_score=search.node_score,
        node_effect=np.full(len(search.nodes), nan) if search.node_effect is None else search.node_effect,
        node_kept=node_kept,
        edges=edges,
        edge_score=search.edge_score,
        edge_effect=np.full(len(edges), nan) if search.edge_effect is None else search.edge_effect,
        edge_kept=edge_kept,
        sizes=np.array(size),
        sizes_kept=np.array([int(search.kept(each).sum()) for each in size]),
        faithful=faithful,
        faithful_held_out=np.array(
            [search.faithfulness(search.values[each], search.held_out) for each in size], dtype=float
        ),
        random=random,
        without_edges=why,
        checks=_checks(search),
    )


def _so_far(search: Search, size: list[int], faithful: np.ndarray) -> int:
    found = curve.smallest(size, faithful, search.level)
    return size[-1] if found is None else found[0]


def _drawn(search: Search, size: int, none: np.ndarray) -> np.ndarray:
    """Random circuits' values: of none and of all parts there is one circuit only."""
    if size in (0, search.runs.n_parts):
        return np.broadcast_to(search.values[size], none.shape)
    return search.random.get(size, none)


def _kept(search: Search, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and edges in the circuit: of nodes, edges between them; of edges, the nodes that they touch."""
    kept, edges = search.kept(size), search.edges
    if edges is None:
        return kept, np.empty(0, dtype=bool)
    names = search.nodes.names
    if not search.by_edges:
        ends = {graph.TOKENS, graph.LOGITS, *(name for name, inside in zip(names, kept, strict=True) if inside)}
        return kept, np.array([start in ends and end in ends for start, end, _ in edges.listed()])
    ends = {name for edge, inside in zip(edges.listed(), kept, strict=True) if inside for name in edge[:2]}
    return np.array([name in ends for name in names]), kept


def _checks(search: Search) -> tuple[Check, ...]:
    everything, nothing = search.errors
    checks = (
        Check("with everything kept the answer is the model’s own (F = 1), in logits", everything, ROUNDING),
        Check("with nothing kept it is that of a run with everything replaced (F = 0), in logits", nothing, ROUNDING),
    )
    if search.edges is None:
        return checks
    return (*checks, Check("a node’s outgoing edges add up to its score (share of the largest)", search.missing, 1e-3))
