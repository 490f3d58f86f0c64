"""The search for a circuit: score, rank, grow by exact runs, and grade what was found against chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float

from mi_core.circuits import curve
from mi_core.circuits.edge_runs import EdgeRuns
from mi_core.circuits.family import Case
from mi_core.circuits.graph import Edges, Nodes, order, similar, top
from mi_core.circuits.node_runs import NodeRuns
from mi_core.circuits.outside import Outside, outside
from mi_core.circuits.scores import scores
from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.patching.pair import SMALLEST_GAP

SAMPLE = 8  # runs that a forecast makes of one kind
MEASURED = 40  # nodes, and edges, that are cut one by one
RESAMPLED = 5  # times the family is drawn anew to see whether the same circuit is found

Runs = NodeRuns | EdgeRuns
Told = Callable[[int], None]


def _nobody(circuits: int) -> None:
    """Told to nobody."""


@dataclass
class Search:
    """What is known so far; every array is NaN where nothing was measured yet."""

    model: Model
    cases: tuple[Case, ...]
    held_out: tuple[bool, ...]
    nodes: Nodes
    edges: Edges | None
    by_edges: bool
    ablation: str
    level: float
    points: int
    draws: int
    seed: int
    told: Told = _nobody

    node_scores: list[np.ndarray] = field(default_factory=list)
    """By pair of the search, [node]."""
    edge_scores: list[np.ndarray] = field(default_factory=list)
    """By pair of the search, [reader, source]."""
    missing: float = 0.0
    errors: tuple[float, float] = (float("nan"), float("nan"))
    """How far the runs with everything kept, and with nothing kept, are from plain ones, in logits."""
    values: dict[int, np.ndarray] = field(default_factory=dict)
    """By size, [case] The target's logit (difference) of the circuit of that size."""
    random: dict[int, np.ndarray] = field(default_factory=dict)
    """By size, [draw, case]."""
    chosen: int | None = None
    reached: bool = False
    own: np.ndarray | None = None
    """[case] Of the circuit that was found, without what cannot reach the answer."""
    complement: np.ndarray | None = None
    """[case] Of all but it."""
    node_effect: np.ndarray | None = None
    edge_effect: np.ndarray | None = None

    def __post_init__(self) -> None:
        names = list(dict.fromkeys(name for runs in (self.node_runs, self.edge_runs) if runs for name in runs.hooks))
        self.outside: list[Outside] = outside(self.model, self.cases, self.searched, names, self.ablation)
        self.whole = np.array([case.whole for case in self.cases])
        self.empty = np.array([self._all_outside(case, instead) for case, instead in self._each()])
        if abs(self.gap(self.searched)) < SMALLEST_GAP:
            raise InputError(
                "With everything outside a circuit the answer stands where it stood, so nothing can be kept of it: "
                "choose another way to ablate, or another exchanged prompt.",
                "ablation",
            )

    # The parts ---------------------------------------------------------------------------------------------------

    @property
    def node_runs(self) -> NodeRuns:
        """Circuits of nodes."""
        return NodeRuns(self.model, self.nodes)

    @property
    def edge_runs(self) -> EdgeRuns | None:
        """Circuits of edges; None where the model's edges cannot be cut."""
        return None if self.edges is None else EdgeRuns(self.model, self.edges)

    @property
    def runs(self) -> Runs:
        """Of what the circuit is made."""
        runs = self.edge_runs if self.by_edges else self.node_runs
        assert runs is not None, "a circuit of edges needs edges"
        return runs

    @property
    def searched(self) -> tuple[bool, ...]:
        """[case] Whether the circuit is searched with it."""
        return tuple(not apart for apart in self.held_out)

    @property
    def node_score(self) -> Float[np.ndarray, " node"]:
        """Averaged over the search's pairs, in logits."""
        return np.mean(self.node_scores, axis=0)

    @property
    def edge_score(self) -> Float[np.ndarray, " edge"]:
        """The same of each edge in the order of `Edges.listed`; empty without edges."""
        return np.empty(0) if self.edges is None else np.mean(self.edge_scores, axis=0)[self.edges.possible]

    def part_score(self) -> Float[np.ndarray, " part"]:
        """Of what the circuit is made of."""
        return self.edge_score if self.by_edges else self.node_score

    # Grades ------------------------------------------------------------------------------------------------------

    def gap(self, among: tuple[bool, ...] | np.ndarray) -> float:
        """What there is to keep, averaged over some cases, in logits."""
        chosen = np.asarray(among)
        return float((self.whole - self.empty)[chosen].mean())

    def faithfulness(
        self, values: Float[np.ndarray, "*any case"], among: tuple[bool, ...]
    ) -> Float[np.ndarray, "*any"]:
        """``(m(C) − m(∅)) / (m(M) − m(∅))``, each averaged over these cases; NaN where there is none of them."""
        chosen = np.asarray(among)
        if not chosen.any():
            return np.full(values.shape[:-1], np.nan)
        return np.asarray((values - self.empty)[..., chosen].mean(-1) / self.gap(chosen))

    def curve(self) -> tuple[list[int], Float[np.ndarray, " size"]]:
        """The sizes measured and their faithfulness on the search's pairs."""
        size = sorted(self.values)
        found = [self.faithfulness(self.values[each], self.searched) for each in size]
        return size, np.array(found, dtype=float)

    def members(self, size: int) -> Bool[np.ndarray, " part"]:
        """The circuit of that size: the parts ranked first."""
        return top(self.part_score(), size)

    def kept(self, size: int) -> Bool[np.ndarray, " part"]:
        """Of these the ones from which the answer can be reached."""
        members = self.members(size)
        if not self.by_edges or self.edges is None:
            return members
        grid = np.zeros(self.edges.possible.shape, dtype=bool)
        grid[self.edges.possible] = members
        return self.edges.reach(grid)[self.edges.possible]

    def stability(self) -> float:
        """Jaccard similarity of circuits of this size found on the search's pairs drawn anew, with repetition."""
        each = self._of_parts()
        if len(each) < 2 or self.chosen is None:
            return float("nan")
        rng = np.random.default_rng(self.seed + 1)
        again = [each[rng.integers(len(each), size=len(each))].mean(0) for _ in range(RESAMPLED)]
        return similar([top(score, self.chosen) for score in again])

    def _of_parts(self) -> Float[np.ndarray, "pair part"]:
        if not self.by_edges or self.edges is None:
            return np.stack(self.node_scores)
        return np.stack([score[self.edges.possible] for score in self.edge_scores])

    # The search --------------------------------------------------------------------------------------------------

    def steps(self) -> Iterator[None]:
        """Do all of it, pausing whenever there is something new to show."""
        yield from self._score()
        yield from self._grade(curve.sizes(self.runs.n_parts), first=True)
        yield from self._grow()
        yield from self._controls()
        yield from self._measure()

    def circuits(self) -> int:
        """Runs of one prompt that all of it is expected to take."""
        each, cut = self._counts()
        return each * len(self.cases) + (sum(cut) + self.points) * sum(self.searched)

    def foretold(self) -> float:
        """The seconds that `steps` will take, from a few of its runs on the first pair."""
        case, instead = self.cases[0], self.outside[0]
        each, cut = self._counts()
        began = time.perf_counter()
        scores(self.model, case, instead, self.nodes, self.edges, self.points)
        scoring = time.perf_counter() - began
        grid = curve.sizes(self.runs.n_parts)[1:-1]
        sample = curve.drawn(self.runs.n_parts, grid, 1, np.random.default_rng(0))[:, 0]
        seconds = len(self.cases) * each * self._pace(self.runs, sample)
        for runs, count in zip((self.node_runs, self.edge_runs), cut, strict=True):
            if runs is not None:
                sample = ~np.eye(min(SAMPLE, runs.n_parts), runs.n_parts, dtype=bool)
                seconds += sum(self.searched) * count * self._pace(runs, sample)
        return seconds + scoring * sum(self.searched)

    def _counts(self) -> tuple[int, tuple[int, int]]:
        """Circuits to be run on every pair, and nodes and edges to be cut one by one on the search's."""
        grid = len(curve.sizes(self.runs.n_parts))
        cut = min(MEASURED, len(self.nodes)), 0 if self.edges is None else MEASURED
        return grid + 2 * curve.AT_ONCE + self.draws * (grid - 1) + 2, cut

    def _pace(self, runs: Runs, masks: Bool[np.ndarray, "circuit part"]) -> float:
        """Seconds for each of these circuits; the first time meets cold caches."""
        for _ in range(2):
            began = time.perf_counter()
            runs.values(self.cases[0], self.outside[0], masks, _nobody)
        return (time.perf_counter() - began) / len(masks)

    def _score(self) -> Iterator[None]:
        for (case, instead), searched in zip(self._each(), self.searched, strict=True):
            if searched:
                found = scores(self.model, case, instead, self.nodes, self.edges, self.points)
                self.node_scores.append(found.node)
                self.edge_scores.append(found.edge)
                self.missing = max(self.missing, float(found.missing))
                self.told(self.points)
        yield

    def _grade(self, size: list[int], first: bool = False) -> Iterator[None]:
        """Run the circuits of these sizes."""
        found = self._run(np.stack([self.members(each) for each in size]))
        self.values |= dict(zip(size, found, strict=True))
        if first:
            nothing, everything = found[0], found[-1]
            self.errors = float(np.abs(everything - self.whole).max()), float(np.abs(nothing - self.empty).max())
        yield

    def _grow(self) -> Iterator[None]:
        """Narrow down where the level is first reached; the whole model alone is no circuit."""
        while (found := self._first()) and (inner := curve.between(found[1], found[0])):
            yield from self._grade(inner)
        size, faithfulness = self.curve()
        n_parts = self.runs.n_parts
        self.reached = found is not None and found[0] < n_parts
        if self.reached and found is not None:
            self.chosen = found[0]
        else:
            smaller = [i for i, each in enumerate(size) if each < n_parts]
            self.chosen = size[min(smaller, key=lambda i: abs(1 - faithfulness[i]))]
        yield

    def _first(self) -> tuple[int, int] | None:
        size, faithfulness = self.curve()
        return curve.smallest(size, faithfulness, self.level)

    def _controls(self) -> Iterator[None]:
        """The circuit itself, all but it, and random ones of every size."""
        assert self.chosen is not None, "a circuit is chosen before it is graded"
        kept = self.kept(self.chosen)
        self.own, self.complement = self._run(np.stack([kept, ~kept]))
        yield
        n_parts = self.runs.n_parts
        size = sorted({*curve.sizes(n_parts)[1:-1], self.chosen} - {0})
        masks = curve.drawn(n_parts, size, self.draws, np.random.default_rng(self.seed))
        found = self._run(masks.reshape(-1, n_parts)).reshape(len(size), self.draws, -1)
        self.random = dict(zip(size, found, strict=True))
        yield

    def _measure(self) -> Iterator[None]:
        """Cut the strongest nodes and edges one by one out of the whole model."""
        self.node_effect = self._cut(self.node_runs, self.node_score)
        yield
        if self.edge_runs is not None:
            self.edge_effect = self._cut(self.edge_runs, self.edge_score)
            yield

    def _cut(self, runs: Runs, score: np.ndarray) -> Float[np.ndarray, " part"]:
        """By how much the answer falls without each of the strongest parts, averaged over the search's pairs."""
        strongest = order(score)[:MEASURED]
        masks = np.ones((len(strongest), len(score)), dtype=bool)
        masks[np.arange(len(strongest)), strongest] = False
        without = [runs.values(case, instead, masks, self._counting()) for case, instead in self._among(self.searched)]
        effect = np.full(len(score), np.nan)
        effect[strongest] = self.whole[np.asarray(self.searched)].mean() - np.mean(without, axis=0)
        return effect

    def _run(self, masks: Bool[np.ndarray, "circuit part"]) -> Float[np.ndarray, "circuit case"]:
        found = [self.runs.values(case, instead, masks, self._counting()) for case, instead in self._each()]
        return np.stack(found, axis=1)

    def _counting(self) -> Told:
        """Tells how many are new, of a count that grows."""
        before = 0

        def told(done: int) -> None:
            nonlocal before
            self.told(done - before)
            before = done

        return told

    def _each(self) -> Iterator[tuple[Case, Outside]]:
        return zip(self.cases, self.outside, strict=True)

    def _among(self, chosen: tuple[bool, ...]) -> Iterator[tuple[Case, Outside]]:
        return (one for one, used in zip(self._each(), chosen, strict=True) if used)

    @torch.no_grad()
    def _all_outside(self, case: Case, instead: Outside) -> float:
        """The target's logit (difference) with nothing kept, by a pass in which every activation is put in place."""
        changes = {name: (lambda x, hook, value=instead[name]: value.expand_as(x)) for name in self.runs.hooks}
        logits = self.model.run_ids(self.model.rows([case.ids]), changes=changes).logits[0, -1]
        return float(case.target.of(logits.float()))
