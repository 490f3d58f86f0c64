"""Which words of the prompt does the answer rest on?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.analyses.attention import attention
from mi_core.errors import InputError, choose
from mi_core.interventions.restart import Run
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.result import Check, Reading, check_axes, same_length
from mi_core.saliency import reading
from mi_core.saliency.answer import Answer
from mi_core.saliency.game import Game
from mi_core.saliency.grade import Grade, grade, random_floor
from mi_core.saliency.gradient import COMPLETE, MOST_STEPS
from mi_core.saliency.methods import BY_NAME, INTEGRATED, LEAVE_ONE_OUT, LIME, METHODS, ROLLOUT, SHAPLEY, Method
from mi_core.saliency.opened import Opened, open_game
from mi_core.saliency.players import Player
from mi_core.saliency.scores import Scores, runs_of, runs_of_floor, scored

FEWEST_SAMPLES = 1000  # of KernelSHAP and LIME: captum's own few are off by whole logits
MOST_SAMPLES = 100_000


@dataclass(frozen=True)
class InputAttribution:
    """What each part of the prompt does for the answer, by several methods, each with its grade."""

    model: str
    tokens: Tokens
    answer: Answer
    pos: int
    """The position whose next token is asked for."""
    baseline: str
    """What takes the place of a word, a key of `mi_core.saliency.baseline.WORDS`."""
    players: tuple[Player, ...]
    methods: tuple[str, ...]
    """[method] Names; leave-one-out comes first, since the others are graded by it."""
    score: Float[np.ndarray, "method player"]
    """[method, player] In the answer's unit; a gradient's norm per unit of embedding, rollout as a share."""
    standard_error: Float[np.ndarray, "method player"]
    """[method, player] Of Shapley values that are sampled; NaN where nothing is."""
    full: float
    """The answer's number with every word there."""
    empty: float
    """The same with all players away."""
    grades: tuple[Grade, ...]
    """[method]"""
    floor: Grade
    """The mean of 20 random orders."""
    steps: int
    """Of the integral; 0 where there is none."""
    r_squared: float
    """How much LIME's straight line explains of the variance; NaN without it."""
    left_out: tuple[tuple[str, str], ...]
    """Methods that this model cannot be asked by, and why."""
    reads_again: bool
    """Whether later layers read the tokens once more, where nothing is taken away."""
    checks: tuple[Check, ...]
    units: str

    def __post_init__(self) -> None:
        same_length(self, "methods", "score", "standard_error", "grades")
        check_axes(self, method=len(self.methods), player=len(self.players))

    @property
    def gap(self) -> float:
        """What is shared out."""
        return self.full - self.empty

    @property
    def labels(self) -> dict[str, str]:
        """What each row of `grades` is called."""
        return {name: BY_NAME[name].label for name in self.methods} | {"random_order": "random order"}

    @property
    def strongest(self) -> int:
        """The player that the number loses most without."""
        return int((np.sign(self.gap or 1) * self.score[0]).argmax())

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Scores are in the answer's unit."""
        shares = dict.fromkeys(("of_gap", "comprehensiveness", "sufficiency"), "share of the gap")
        unit = self.answer.unit
        return {
            "scores": {"score": unit, "standard_error": unit, "relative": "share of the row's largest"},
            "grades": {"sum": unit, "agreement": "Kendall's τ"} | shares,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """`scores`: a row per method and player; `pos` is its first position and `last_pos` its last, `relative` the
        score as a share of the row's largest. `grades`: a row per method, and one of random orders; `of_gap` is the
        sum as a share of what is shared out. `players`: the positions of each."""
        n = len(self.players)
        method, player = (axis.ravel() for axis in np.indices(self.score.shape))
        largest = np.abs(self.score).max(1, keepdims=True)
        first, last = (np.array([p.positions[end] for p in self.players]) for end in (0, -1))
        scores = {
            "method": np.asarray(self.methods, dtype=object)[method],
            "player": player,
            "pos": first[player],
            "last_pos": last[player],
            "token": np.asarray([p.text for p in self.players], dtype=object)[player],
            "score": self.score.ravel(),
            "standard_error": self.standard_error.ravel(),
            "relative": (self.score / np.where(largest > 0, largest, 1.0)).ravel(),
        }
        rows = [(p, pos, self.tokens.texts[pos]) for p in range(n) for pos in self.players[p].positions]
        return {
            "scores": pd.DataFrame(scores),
            "grades": self._grades(),
            "players": pd.DataFrame(rows, columns=["player", "pos", "token"]),
        }

    def _grades(self) -> pd.DataFrame:
        sums = [*self.score.sum(1), math.nan]
        every = [*self.grades, self.floor]
        return pd.DataFrame(
            {
                "method": [*self.methods, "random_order"],
                "sum": sums,
                "of_gap": [one / self.gap if self.gap else math.nan for one in sums],
                "comprehensiveness": [one.comprehensiveness for one in every],
                "sufficiency": [one.sufficiency for one in every],
                "agreement": [one.agreement for one in every],
                "r_squared": [self.r_squared if name == LIME.name else math.nan for name in [*self.methods, ""]],
            }
        )

    def reading(self) -> Reading:
        """The word that counts most, how much there was to share out, and which method to trust."""
        return reading.reading(self)


def input_attribution(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    metric: Literal["logit_difference", "log_probability", "probability"] = "logit_difference",
    methods: tuple[str, ...] = (),
    players: Literal["token", "word", "sentence", "regex", "span"] = "token",
    pattern: str = "",
    spans: str = "",
    baseline: Literal["mean", "zero", "token", "corrupted"] = "mean",
    baseline_token: str = "",
    corrupted: str = "",
    n_steps: int = 64,
    window: int = 3,
    permutations: int | None = None,
    samples: int = 1000,
    seed: int = 0,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> InputAttribution:
    """Share an answer out among the words of the prompt, by the field's methods side by side, each of them graded.

    A word is taken away by replacing what enters the first layer at its positions; all that follows reacts. Methods
    disagree, so each is held against deletion (DeYoung et al. 2020): how much is lost without the words that it puts
    first, how much with these alone, how well it agrees with leave-one-out; and random orders show what these numbers
    are worth. A start token is never taken away.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`. Of a log-probability it may be several tokens.
        foil: What is subtracted, or None; with an exchanged prompt its top guess.
        pos: Position whose next token is asked for; None for the last.
        metric: What is shared out: the answer's logit (difference), its log-probability (of several tokens the sum of
            each after the ones before), or its probability.
        methods: Any of ``"occlusion"``, ``"shapley"``, ``"integrated_gradients"``, ``"gradient_times_input"``,
            ``"gradient_norm"``, ``"rollout"``, ``"kernel_shap"``, ``"lime"``; none for all. ``"leave_one_out"`` is
            always there.
        players: What is taken away together: tokens, words, sentences, the matches of `pattern`, or `spans`.
        pattern: A regular expression.
        spans: Positions, such as ``"1-3, 5"``.
        baseline: What takes a word's place: the ``"mean"`` embedding of everyday text, ``"zero"``, one ``"token"``, or
            what the ``"corrupted"`` prompt has there.
        baseline_token: That token.
        corrupted: A prompt of as many tokens.
        n_steps: Of the integral, 1 to 512; doubled until its scores sum to the gap within a thousandth.
        window: Neighbouring parts that span occlusion takes away together.
        permutations: Random orders of Shapley values, at most; None for as many as 1,000 runs allow, 400 or fewer. They
            end when every standard error is 2% of what is shared out. Up to 10 parts are computed exactly.
        samples: Coalitions that KernelSHAP and LIME are fitted to, 1000 or more.
        seed: Of all that is random.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, most runs in all).

    Returns:
        Scores in the unit of what is shared out.

    Raises:
        InputError: A bad prompt, answer, position, method, player, baseline or number.
    """
    chosen = _chosen(methods)
    numbers = _checked(n_steps=n_steps, window=window, permutations=permutations, samples=samples, seed=seed)
    opened = open_game(
        model, prompt, target=target, foil=foil, pos=pos, metric=metric, players=players, pattern=pattern, spans=spans,
        baseline=baseline, baseline_token=baseline_token, corrupted=corrupted, prepend_bos=prepend_bos,
    )  # fmt: skip
    game = opened.game
    found, left_out = _all(opened, chosen, methods, numbers, progress)
    removed = found[LEAVE_ONE_OUT.name].values
    grades = tuple(grade(game, one.values, removed) for one in found.values())
    floor = random_floor(game, removed, seed)
    total = sum(_costs(game, chosen, numbers))
    progress(total, total)
    return InputAttribution(
        model=model.id,
        tokens=opened.tokens,
        answer=game.answer,
        pos=opened.pos,
        baseline=baseline,
        players=game.players,
        methods=tuple(found),
        score=np.stack([one.values for one in found.values()]),
        standard_error=np.stack([one.errors for one in found.values()]),
        full=game.full,
        empty=game.empty,
        grades=grades,
        floor=floor,
        steps=max(one.steps for one in found.values()),
        r_squared=next((one.r_squared for one in found.values() if not math.isnan(one.r_squared)), math.nan),
        left_out=left_out,
        reads_again=not model.opening.tokens_once,
        checks=_checks(opened, found),
        units=game.answer.unit,
    )


def planned(
    model: Model,
    *,
    methods: tuple[str, ...],
    n_steps: int,
    window: int,
    permutations: int | None,
    samples: int,
    seed: int,
    **settings: Any,
) -> tuple[tuple[int, ...], Sequence[Run]]:
    """The token ids, and as many runs as `input_attribution` makes at most, all of its settings given.

    Raises:
        InputError: As `input_attribution` does.
    """
    chosen = _chosen(methods)
    numbers = _checked(n_steps=n_steps, window=window, permutations=permutations, samples=samples, seed=seed)
    game = open_game(model, **settings).game
    return game.ids, [game.without([0])] * sum(_costs(game, chosen, numbers))


def _costs(game: Game, chosen: Sequence[Method], numbers: dict[str, Any]) -> list[int]:
    """At most how many runs each method takes, and the random orders."""
    n, sizes = len(game.players), {name: numbers[name] for name in ("n_steps", "permutations", "samples")}
    costs = [*(runs_of(method, n, **sizes) for method in chosen), runs_of_floor(n)]
    return [len(game.answer.steps(game.ids)) * cost for cost in costs]


def _all(
    opened: Opened, chosen: Sequence[Method], asked: Sequence[str], numbers: dict[str, Any], progress: Progress
) -> tuple[dict[str, Scores], tuple[tuple[str, str], ...]]:
    """What each method gives, and why others cannot be asked, where they were not `asked` by name."""
    costs = _costs(opened.game, chosen, numbers)
    found, left_out = {}, []
    for method, done in zip(chosen, itertools.accumulate(costs, initial=0), strict=False):
        opened.game.tell = _telling(progress, done, sum(costs))
        try:
            found[method.name] = _rolled(opened) if method == ROLLOUT else scored(opened.game, method, **numbers)
        except InputError as error:
            if method == LEAVE_ONE_OUT or method.name in asked:
                raise
            left_out.append((method.name, error.message))
    return found, tuple(left_out)


def _telling(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    """Tells of so many more runs; a method may end before the most that it takes."""

    def tell(more: int) -> None:
        nonlocal done
        done = min(done + more, total)
        progress(done, total)

    return tell


def _rolled(opened: Opened) -> Scores:
    """How much of each player reaches the position through all attention layers."""
    read = attention(opened.game.model, opened.prompt, pos=opened.pos, prepend_bos=opened.prepend_bos)
    rolled = read.rollout[opened.pos]
    values = np.array([rolled[list(player.positions)].sum() for player in opened.game.players], dtype=np.float64)
    return Scores(values, np.full(len(values), np.nan))


def _chosen(names: Sequence[str]) -> tuple[Method, ...]:
    """In the order of `METHODS`."""
    for name in names:
        choose(name, BY_NAME, "methods", "method")
    return tuple(method for method in METHODS if not names or method.name in names or method == LEAVE_ONE_OUT)


def _checked(**numbers: int | None) -> dict[str, Any]:
    limits = {
        "n_steps": (1, MOST_STEPS, "steps"),
        "window": (1, 1000, "neighbouring parts"),
        "permutations": (2, 10_000, "random orders"),
        "samples": (FEWEST_SAMPLES, MOST_SAMPLES, "samples"),
        "seed": (0, 2**31, "as the seed"),
    }
    for name, value in numbers.items():
        low, high, what = limits[name]
        if value is not None and not low <= value <= high:
            raise InputError(f"{value:,} {what} cannot be used: choose from {low:,} to {high:,}.", name)
    return numbers


def _checks(opened: Opened, found: dict[str, Scores]) -> tuple[Check, ...]:
    game = opened.game
    rounding = 1e-5 * max(1.0, abs(game.full), abs(game.empty))
    checks = []
    integral = found.get(INTEGRATED.name)
    if integral and integral.steps < MOST_STEPS:  # else it may not have arrived, which the sentences tell
        off = float(abs(integral.values.sum() - game.gap))
        checks.append(Check("integrated gradients sum to what is shared out", off, COMPLETE * game.scale + rounding))
    if SHAPLEY.name in found:
        off = float(abs(found[SHAPLEY.name].values.sum() - game.gap))
        checks.append(Check("Shapley values sum to what is shared out", off, rounding))
    if opened.other is not None and opened.holds_all and game.model.opening.tokens_once:
        checks.append(Check("with every word exchanged it is the other prompt", abs(game.empty - opened.other), 1e-3))
    checks.append(Check("with every word there it is the prompt itself", abs(game.nothing - game.full), 1e-3))
    return (*checks, *game.checks)
