"""What each direction of a residual stream is worth to an answer, so that a whole stream's worth is known exactly.

Between two prompts: the gradient averaged along the straight line between their streams at one place (integrated
gradients, Sundararajan et al. 2017, at Gauss–Legendre points; per place as in Marks et al. 2024, "Sparse Feature
Circuits"). Times the streams' difference that is the difference of the answers, at every place alike. Of one prompt
alone: the gradient with patterns, norm scales and MLP gains held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.legendre import legendre
from mi_core.graphs.held import Held, check_straight, hold
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model

MOST_POSITIONS = 8192  # points × positions of one pass: more takes gigabytes in a model of GPT-2's size


@dataclass(frozen=True)
class Pass:
    """Runs that begin at a residual stream, with the way back from the answer."""

    start: Float[Tensor, "row pos d_model"]
    """The streams they begin with."""
    acts: Activations
    weight: Float[Tensor, " row"]
    """Of each run in the mean; they sum to 1."""
    value: Float[Tensor, ""]
    """The answer, averaged over the runs, in logits."""

    def worth(self) -> Float[Tensor, "pos d_model"]:
        """What each direction of the first stream is worth to the answer."""
        return torch.autograd.grad(self.value, self.start, retain_graph=True)[0].sum(0)


@dataclass(frozen=True)
class Account:
    """An answer that is accounted for: `ids`' own, or its difference from that of `other`.

    Args:
        model: The model.
        ids: The prompt up to the position that is asked.
        other: As many tokens of a second prompt; None for `ids` alone, with what bends held.
        target: The answer.
        points: Gauss–Legendre points between both.
    """

    model: Model
    ids: tuple[int, ...]
    other: tuple[int, ...] | None
    target: Target
    points: int

    @cached_property
    def held(self) -> Held | None:
        """What is held; None between two prompts, where everything moves."""
        if self.other is not None:
            return None
        held = hold(self.model, self.ids, self.target.direction(self.model))
        check_straight(held, self.ids)
        return held

    def off(self) -> float:
        """How far the answer with everything held is from that of the model's own last stream, in logits."""
        assert self.held is not None, "one prompt alone is held"
        first = hooks.resid_pre(0)
        clean, _, total = self.both([first])
        return abs(float(self.held.answers(self.ids, clean[first][None])) - total)

    @torch.no_grad()
    def both(self, names: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """Activations of both prompts at these hooks, [pos, …]; and the answer, or the difference of both.

        Of one prompt alone the second is nothing, and the answer that of the last stream through the held norm.
        """
        last = hooks.resid_post(self.model.n_layers - 1)
        asked = list(dict.fromkeys([*names, last]))
        own = self.model.run_ids(self.model.rows([self.ids]), asked)
        mine = {name: own[name][0] for name in asked}
        if self.other is None:
            held = self.held
            assert held is not None, "one prompt alone is held"
            return mine, {name: torch.zeros_like(x) for name, x in mine.items()}, float(mine[last][-1] @ held.reader)
        their = self.model.run_ids(self.model.rows([self.other]), asked)
        total = self.target.of(own.logits[0, -1].float()) - self.target.of(their.logits[0, -1].float())
        return mine, {name: their[name][0] for name in asked}, float(total)

    def doubled(self) -> Account | None:
        """The same with twice the points; None where there is no room for them, or nothing between prompts."""
        more = 2 * self.points
        return None if self.other is None or more * len(self.ids) > MOST_POSITIONS else replace(self, points=more)

    @contextmanager
    def passing(
        self, name: str, clean: Float[Tensor, "pos d_model"], other: Float[Tensor, "pos d_model"], names: Sequence[str]
    ) -> Iterator[Pass]:
        """Runs that begin at hook `name`, from points on the way between both streams; gradients are on inside.

        Args:
            name: A hook of the residual stream.
            clean: The prompt's stream there.
            other: The second prompt's.
            names: Hooks to keep.
        """
        shares, weight = legendre(1 if self.held else self.points)
        share = torch.tensor(shares, dtype=clean.dtype, device=clean.device)[:, None, None]
        part = torch.tensor(weight, dtype=torch.float32, device=clean.device)
        last = hooks.resid_post(self.model.n_layers - 1)
        with torch.enable_grad():
            x = (clean if self.held else other + share * (clean - other)).detach()
            start = x.reshape(len(shares), *clean.shape).clone().requires_grad_(True)
            changes: dict[str, Callable] = {name: lambda value, hook: start}
            asked = list(dict.fromkeys([*names, name, last]))
            rows = self.model.rows([self.ids] * len(start))
            if self.held:
                with self.held.running():
                    acts = self.model.run_ids(rows, asked, changes={**self.held.changes, **changes})
                value = acts[last][:, -1] @ self.held.reader
            else:
                acts = self.model.run_ids(rows, asked, changes=changes)
                value = self.target.of(acts.logits[:, -1].float())
            yield Pass(start, acts, part, (value * part).sum())
