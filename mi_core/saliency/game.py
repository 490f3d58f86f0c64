"""A prompt as a game: players are there or not, and the answer's number is what they win together.

A player is away while the embeddings of its positions are replaced; all that follows reacts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import POSITIONS_AT_ONCE, ROWS_AT_ONCE, sweep
from mi_core.models.model import Model
from mi_core.result import Check
from mi_core.saliency.answer import Answer, Read
from mi_core.saliency.baseline import EMBEDDING
from mi_core.saliency.players import Player


@dataclass(eq=False)
class Game:
    """The players of one prompt; what is computed of a coalition is kept."""

    model: Model
    ids: tuple[int, ...]
    """The prompt, up to the position that is read."""
    x: Float[Tensor, "pos d_model"]
    """What enters the first layer."""
    instead: Float[Tensor, "pos d_model"]
    """What takes its place where a player is away."""
    players: tuple[Player, ...]
    answer: Answer
    full: float
    """The number with all players there, as the model's plain run has it."""
    has_bos: bool
    """Whether a start token comes first, which is no player."""
    nothing: float = float("nan")
    """The same from a run that replaces nothing."""
    tell: Callable[[int], None] = lambda done: None
    """Called between chunks with the runs that were made since the last call."""
    known: dict[bytes, float] = field(default_factory=dict)
    """The number of each coalition that was run, by its members as bytes."""
    checks: tuple[Check, ...] = ()
    """Of the last runs."""

    def begin(self, full: float) -> None:
        """The plain run's number is known."""
        self.full = full
        self.known[np.ones(len(self.players), dtype=bool).tobytes()] = full
        self.nothing = float(self.run([()])[0])

    @property
    def empty(self) -> float:
        """The number with no player there."""
        return float(self.values(np.zeros((1, len(self.players)), dtype=bool))[0])

    @property
    def gap(self) -> float:
        """What there is to share out: with all players, less with none."""
        return self.full - self.empty

    @property
    def scale(self) -> float:
        """The gap's size, or the smallest that means something."""
        return max(abs(self.gap), self.answer.smallest_gap)

    def values(self, present: Bool[np.ndarray, "coalition player"]) -> Float[np.ndarray, " coalition"]:
        """The number with only these players there, for each coalition."""
        new = {row.tobytes(): row for row in present if row.tobytes() not in self.known}
        if new:
            found = self.run([self.without(np.flatnonzero(~row)) for row in new.values()])
            self.known |= zip(new, found.tolist(), strict=True)
        return np.array([self.known[row.tobytes()] for row in present])

    def run(self, runs: Sequence[Run]) -> Float[np.ndarray, " run"]:
        """The number of each run, in the precision that it is read with."""
        before = 0
        found = np.zeros(len(runs))
        for ids, read in self.answer.steps(self.ids).items():

            def progress(done: int, total: int, _: object = None) -> None:
                nonlocal before
                self.tell(done - before)
                before = done % total

            swept = sweep(self.model, ids, runs, lambda logits, read=read: read(logits)[:, None], progress)
            self.checks = swept.checks()
            found = found + swept.values[:, 0].numpy(force=True).astype(np.float64)
        return found

    def leave_one_out(self, together: int = 1) -> Float[np.ndarray, " window"]:
        """What the number loses without each player, or without so many neighbouring ones.

        As exact as the ablation of tokens before the first layer, run for run: with a start token, which that ablation
        runs too, as many rows are batched, so that they round alike.
        """
        n = len(self.players)
        runs = [self.without(range(first, first + together)) for first in range(n - together + 1)]
        found = self.run([*runs, *[()] * int(self.has_bos)])
        if together == 1:
            self.known |= {_all_but(i, n): float(found[i]) for i in range(n)}
        return self.full - found[: len(runs)]

    def without(self, away: Iterable[int]) -> Run:
        """The run with these players away, each stretch of neighbouring positions replaced at once."""
        out = sorted(pos for player in away for pos in self.players[player].positions)
        starts = [i for i, pos in enumerate(out) if i == 0 or out[i - 1] != pos - 1]
        stretches = [(out[i], out[j - 1] + 1) for i, j in zip(starts, [*starts[1:], len(out)], strict=True)]
        return tuple(
            Intervention("resid_pre", 0, self.instead[low:high], first=low, end=high) for low, high in stretches
        )

    @property
    def away(self) -> Float[Tensor, "pos d_model"]:
        """What enters the first layer with no player there."""
        out = self.x.clone()
        positions = [pos for player in self.players for pos in player.positions]
        out[positions] = self.instead[positions]
        return out

    def gradients(
        self, points: Iterable[Float[Tensor, "row pos d_model"]]
    ) -> Iterable[Float[Tensor, "row pos d_model"]]:
        """The slope of the number at embeddings, in batches as they come.

        Raises:
            InputError: No gradient comes back to the embeddings.
        """
        for rows in points:
            total = torch.zeros_like(rows, dtype=torch.float32)
            for ids, read in self.answer.steps(self.ids).items():
                total += self._gradient(ids, read, rows)
                self.tell(len(rows))
            yield total

    def _gradient(
        self, ids: tuple[int, ...], read: Read, rows: Float[Tensor, "row pos d_model"]
    ) -> Float[Tensor, "row pos d_model"]:
        start = rows.detach().clone().requires_grad_(True)

        def put(value: Tensor, hook: object) -> Tensor:
            return torch.cat([start, value[:, len(self.ids) :]], dim=1)

        try:
            with torch.enable_grad():
                acts = self.model.run_ids(self.model.rows([ids] * len(rows)), changes={EMBEDDING: put})
                value = read(acts.logits[:, -1].float()).sum()
                (gradient,) = torch.autograd.grad(value, [start], allow_unused=True)
        except RuntimeError as error:
            raise self._no_slope() from error
        if gradient is None or not bool(torch.isfinite(gradient).all()):
            raise self._no_slope()
        return gradient.float()

    def _no_slope(self) -> InputError:
        return InputError(
            f"No gradient comes back to the words of {self.model.id}: choose methods that take words away.", "methods"
        )

    @property
    def rows_at_once(self) -> int:
        """Of a batch with gradients."""
        return max(1, min(ROWS_AT_ONCE, POSITIONS_AT_ONCE // len(self.ids)))


def _all_but(player: int, n: int) -> bytes:
    return (np.arange(n) != player).tobytes()
