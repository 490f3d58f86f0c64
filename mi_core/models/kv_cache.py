"""Keys and values of the tokens read so far, in room that is there from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from mi_core.models.model import Model


class Room(DynamicLayer):
    """One layer's keys and values, for `n_rows` rows of up to `n_pos` positions.

    transformers' own layer joins old and new at every token, which copies all there is. Rows that are equal so far may
    come as one: it is kept for each of them.
    """

    def __init__(self, n_rows: int, n_pos: int) -> None:
        super().__init__()
        self._size = n_rows, n_pos
        self._end = 0

    def update(
        self, key_states: Float[Tensor, "row head pos d_head"], value_states: Float[Tensor, "row head pos d_head"],
        *args, **kwargs,
    ) -> tuple[Float[Tensor, "row head past d_head"], Float[Tensor, "row head past d_head"]]:  # fmt: skip
        """Keep the new positions; all there are so far, with as many rows as came."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = [self._empty(states) for states in (key_states, value_states)]
        start, self._end = self._end, self._end + key_states.shape[2]
        for room, states in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, start : self._end] = states
        self.keys, self.values = (room[:, :, : self._end] for room in self._room)
        return self.keys[: len(key_states)], self.values[: len(value_states)]

    def _empty(self, states: Tensor) -> Tensor:
        n_rows, n_pos = self._size
        return states.new_empty(n_rows, states.shape[1], n_pos, states.shape[3])


class Reread:
    """In place of a cache, for models whose kept keys and values give other text: everything is read again."""

    def __init__(self) -> None:
        self.ids: Int[Tensor, "row pos"] | None = None

    def grow(self, ids: Int[Tensor, "row pos"]) -> Int[Tensor, "row past"]:
        """All that was read so far, these included; what was one row becomes as many as come."""
        self.ids = ids if self.ids is None else torch.cat([self.ids.expand(len(ids), -1), ids], dim=1)
        return self.ids


#: What a run that goes on later keeps of what it has read.
Kept = DynamicCache | Reread


def roomy(model: Model, n_rows: int, n_pos: int) -> Kept:
    """The model's own kind of cache; layers that would keep every position get room for `n_pos` of them."""
    turns = model.turns_at is not None and model.turns_at < n_pos  # kept keys would have the factors of shorter texts
    if turns or not model.opening.cache_holds or not model.opening.keys_and_values:
        return Reread()
    cache = DynamicCache(config=model.hf_model.config)
    cache.layers = [Room(n_rows, n_pos) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def repeat(cache: Kept, n_rows: int) -> None:
    """Give layers that hold a single row the `n_rows` that it stands for."""
    if isinstance(cache, Reread):
        return
    for layer in cache.layers:
        if isinstance(layer.keys, Tensor) and len(layer.keys) == 1 < n_rows:
            layer.batch_repeat_interleave(n_rows)
