"""Interventions as values: what is put in place of an activation, where, and for the length of one forward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.models import hooks
from mi_core.models.hooks import Site
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Intervention:
    """`value` takes the place of an activation, is added to it, or bounds it from both sides.

    Patching, zero, mean and resample ablation differ in the value alone: another run's activation, 0, a mean. Giving an
    activation a value of one's own and letting all that follows react is an intervention in the sense of causal
    models (Geiger et al. 2021, "Causal Abstractions of Neural Networks").

    Args:
        site: A key of `hooks.CHANGED`.
        layer: The block.
        value: Broadcasts to the activations it meets: [pos, d_model], [pos, d_head] with a head, [pos, 1] with a
            neuron, or a scalar; for `pattern` [query_pos, key_pos]. For ``"map"`` a function of the activations and
            the position of the first of them, that gives what takes their place.
        head: Only this head (for `k` and `v` of grouped-query models: this key-value head); None for all.
        first: First position it holds for (of the query, for `pattern`).
        end: The position after its last; None for the end of the prompt.
        operation: ``"set"``, ``"add"``, ``"clamp"`` (to −|value| … |value|) or ``"map"``.
        neuron: Of `post`, only this one; None for all.
    """

    site: str
    layer: int
    value: Tensor | float | Callable[[Tensor, int], Tensor]
    head: int | None = None
    first: int = 0
    end: int | None = None
    operation: Literal["set", "add", "clamp", "map"] = "set"
    neuron: int | None = None

    @property
    def where(self) -> Site:
        """The activation that it changes."""
        return hooks.CHANGED[self.site]

    @property
    def hook(self) -> str:
        """Name of the hook it acts at."""
        return self.where(self.layer)

    def apply(self, x: Float[Tensor, "pos ..."], start: int = 0) -> None:
        """Change one row's activations in place.

        Args:
            x: Of one row: [pos, …], or [head, query_pos, key_pos] for `pattern`.
            start: Which position of the prompt the first of `x` is.
        """
        if self.end is not None and self.end <= start:
            return
        at: dict[str, int | slice] = {
            "pos": slice(max(self.first - start, 0), None if self.end is None else self.end - start)
        }
        if self.head is not None:
            at["head"] = self.head
        if self.neuron is not None:
            at["neuron"] = slice(self.neuron, self.neuron + 1)
        place = self.where.index(**at)
        if self.operation == "map":
            x[place] = self.value(x[place], max(self.first, start))
            return
        value = self._value_from(start)
        if self.operation == "add":
            x[place] += value
        elif self.operation == "clamp":
            bound = torch.as_tensor(value, device=x.device).abs()
            x[place] = torch.minimum(torch.maximum(x[place], -bound), bound)
        else:
            x[place] = value

    def _value_from(self, start: int) -> Tensor | float:
        """The part of the value that belongs to positions from `start` on."""
        passed = start - self.first
        if passed <= 0 or not isinstance(self.value, Tensor):
            return self.value
        axes = [column for column in self.where.columns if column != "head" or self.head is None]
        axis = len(axes) - axes.index("pos")  # counted from the end: a value may have fewer axes
        if self.value.ndim < axis or self.value.shape[-axis] == 1:
            return self.value
        return self.value.narrow(-axis, passed, self.value.shape[-axis] - passed)


def check(model: Model, interventions: Iterable[Intervention]) -> None:
    """Raises InputError where the model has no such layer, head or site."""
    for one in interventions:
        model.layer(one.layer)
        if one.head is not None:
            model.head(one.head)
        model.require_change(one.hook)


@contextmanager
def intervening(model: Model, rows: Sequence[Sequence[Intervention]], start: int = 0) -> Iterator[None]:
    """Within this block row i of every batch is changed by `rows[i]`; nothing is left afterwards, whatever happens.

    Args:
        model: The model.
        rows: For each row of the batch, what is done to it. A batch may have fewer rows than this: those that are
            not there yet are passed over.
        start: Which position of the prompt the first of the batch is.
    """
    at: dict[str, list[tuple[int, Intervention]]] = defaultdict(list)
    for row, interventions in enumerate(rows):
        for one in interventions:
            at[one.hook].append((row, one))

    def edit(x: Tensor, hook, name: str) -> Tensor:
        changed = x.clone()
        for row, one in at[name]:
            if row < len(changed):
                one.apply(changed[row], start)
        return changed

    with model.hooked({name: partial(edit, name=name) for name in at}):
        yield


def run_with(
    model: Model,
    tokens: Tokens,
    interventions: Sequence[Intervention],
    names: Iterable[str] = (),
    logits: Literal["last", "all"] | int = "last",
    query: int | None = None,
) -> Activations:
    """`Model.run` with all `interventions` in place; the activations kept are those after them.

    Raises:
        InputError: The model has no such layer, head or site.
    """
    check(model, interventions)
    with intervening(model, [interventions]):
        return model.run(tokens, names, logits, query)
