"""Runs that start in the middle of the model: at a block and a position, from what a plain run left there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Cache, DynamicCache

from mi_core.interventions.intervention import Intervention, intervening
from mi_core.models.model import Model

#: The interventions of one run of the prompt; an empty one changes nothing.
Run = Sequence[Intervention]


def begin(run: Run) -> tuple[int, int]:
    """(position, layer) before which a run with these interventions equals the plain run."""
    return min((one.first for one in run), default=0), min((one.layer for one in run), default=0)


def _in_order(runs: Sequence[Run]) -> tuple[list[int], list[Run]]:
    """The runs by the block where they begin, and which ones these are."""
    order = sorted(range(len(runs)), key=lambda row: begin(runs[row])[1])
    return order, [runs[row] for row in order]


class _Past(DynamicCache):
    """Keys and values of the first positions, lent to every row of a batch; what follows them is not kept."""

    def __init__(self, keys_and_values: Sequence[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.pairs = keys_and_values

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args, **kwargs):
        rows = len(key_states)
        keys, values = (past.expand(rows, -1, -1, -1) for past in self.pairs[layer_idx])
        return torch.cat([keys, key_states], dim=2), torch.cat([values, value_states], dim=2)


class _Caught(Exception):
    """The keys and values that attention was about to use."""


class _Catch(_Past):
    """Ends a block's run where its keys and values are known: what it does after that is not wanted."""

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args, **kwargs):
        raise _Caught(*super().update(key_states, value_states, layer_idx))


@dataclass(frozen=True)
class Call:
    """What a block was called with in a plain run; the residual stream [1, pos, d_model] comes first or by name."""

    args: tuple
    kwargs: dict

    @property
    def x(self) -> Float[Tensor, "1 pos d_model"]:
        return self.args[0] if self.args else self.kwargs["hidden_states"]

    def after(self, start: int, past: DynamicCache) -> Call:
        """The call of a run that is given its first `start` positions as `past`."""
        n_pos = self.x.shape[1]

        def cut(value):
            if isinstance(value, Cache):
                return past
            if isinstance(value, tuple):
                return tuple(cut(item) for item in value)
            return _from_position(value, start, n_pos) if isinstance(value, Tensor) else value

        return Call(cut(self.args), {name: cut(value) for name, value in self.kwargs.items()})

    def repeat(self, block: torch.nn.Module, x: Float[Tensor, "row pos d_model"]) -> Float[Tensor, "row pos d_model"]:
        """The same call with another residual stream."""
        args = [_for_each(value, len(x)) for value in self.args[1:]]
        kwargs = {
            name: value if name == OF_ALL_ROWS else _for_each(value, len(x)) for name, value in self.kwargs.items()
        }
        out = block(x, *args, **kwargs) if self.args else block(**kwargs | {"hidden_states": x})
        return out[0] if isinstance(out, tuple) else out


#: MPT's slopes [head, 1, key_pos], lent to all rows; BLOOM's, of the same form, are [row × head, 1, key_pos].
OF_ALL_ROWS = "position_bias"


def _for_each(value, n_rows: int):
    """A mask [1, head, query_pos, key_pos] for every row: some families take none that is lent to all rows (XGLM)."""
    if not isinstance(value, Tensor):
        return value
    if _is_slopes(value):
        return value.repeat(n_rows, 1, 1)
    return value.expand(n_rows, -1, -1, -1) if value.ndim == 4 and len(value) == 1 else value


def _is_slopes(value: Tensor) -> bool:
    """What attention adds for the distance of a key (ALiBi) where it is [row × head, 1, key_pos] (BLOOM)."""
    return value.ndim == 3 and value.shape[1] == 1 < len(value)


def _from_position(value: Tensor, start: int, n_pos: int) -> Tensor:
    """From `start` on: the queries of a mask [batch, head, query_pos, key_pos], else the first axis of that size."""
    if _is_slopes(value):
        return value
    axes = [2] if value.ndim == 4 else [axis for axis, size in enumerate(value.shape) if size == n_pos]
    return value.narrow(axes[0], start, n_pos - start) if axes else value


class Restart:
    """A plain run of `ids` that others can be started from.

    Args:
        model: The model.
        ids: The prompt; runs give the logits of its last position.
    """

    @torch.no_grad()
    def __init__(self, model: Model, ids: Sequence[int]) -> None:
        self.model = model
        self._past, self._calls = DynamicCache(), []
        with ExitStack() as stack:
            for block in model.bridge.blocks:
                handle = block.register_forward_pre_hook(
                    lambda module, args, kwargs: self._calls.append(Call(args, dict(kwargs))), with_kwargs=True
                )
                stack.callback(handle.remove)
            logits = model.run_on(model.rows([ids]), self._past)
        self.logits: Float[Tensor, " d_vocab"] = logits[0, -1].float()

    @torch.no_grad()
    def run(self, runs: Sequence[Run]) -> Float[Tensor, "row d_vocab"]:
        """Logits of the last position with each run's interventions in place, a row per run."""
        order, rows = _in_order(runs)
        start = min(begin(row)[0] for row in rows)
        x = self._last_block(rows, start, self._entering(self.model.n_layers - 1, rows, start))
        logits = self.model.cap(self.model.unembed(self.model.final_norm.apply(x))).float()
        return logits[torch.tensor(order, device=logits.device).argsort()]

    @torch.no_grad()
    def received(self, runs: Sequence[Run], hook: str, layer: int) -> Float[Tensor, "row pos ..."]:
        """What is found at a hook of block `layer` with each run's interventions in place, a row per run.

        Positions run from the first that any run changes. No run may begin at a later block.
        """
        order, rows = _in_order(runs)
        start = min(begin(row)[0] for row in rows)
        x, seen = self._entering(layer, rows, start), []
        call = self._calls[layer].after(start, _Past(self._keys_and_values(start)))
        with intervening(self.model, rows, start), self.model.hooked({hook: lambda value, hook: seen.append(value)}):
            call.repeat(self.model.bridge.blocks[layer], x)
        return seen[0][torch.tensor(order, device=x.device).argsort()]

    @torch.no_grad()
    def block(
        self, layer: int, x: Float[Tensor, "row pos d_model"], changes: Mapping[str, Callable]
    ) -> Float[Tensor, "row pos d_model"]:
        """Block `layer` alone, on streams of the whole prompt; `changes` as `Model.hooked` takes them."""
        call = self._calls[layer].after(0, _Past(self._keys_and_values(0)))
        with self.model.hooked(changes):
            return call.repeat(self.model.bridge.blocks[layer], x)

    def _entering(self, block: int, rows: Sequence[Run], start: int) -> Float[Tensor, "row pos d_model"]:
        """The residual stream on its way into `block`, from position `start` on; rows join where they begin."""
        layers = [begin(row)[1] for row in rows]
        past = _Past(self._keys_and_values(start))
        x = self._calls[0].x[:0, start:]
        with intervening(self.model, rows, start):
            for layer in range(layers[0], block + 1):
                call = self._calls[layer].after(start, past)
                x = torch.cat([x, call.x.expand(layers.count(layer), -1, -1)])
                if layer < block:
                    x = call.repeat(self.model.bridge.blocks[layer], x)
        return x

    def _last_block(
        self, rows: Sequence[Run], start: int, x: Float[Tensor, "row pos d_model"]
    ) -> Float[Tensor, "row d_model"]:
        """The last block, whose earlier positions matter only as keys and values of the last one."""
        block, call, n_pos = self.model.bridge.blocks[-1], self._calls[-1], self._calls[-1].x.shape[1]
        keys_and_values = self._keys_and_values(start)
        if x.shape[1] > 1:
            try:
                with intervening(self.model, rows, start):
                    call.after(start, _Catch(keys_and_values)).repeat(block, x)
            except _Caught as caught:
                keys_and_values[-1] = tuple(states[:, :, :-1] for states in caught.args)
        with intervening(self.model, rows, n_pos - 1):
            return call.after(n_pos - 1, _Past(keys_and_values)).repeat(block, x[:, -1:])[:, 0]

    def _keys_and_values(self, end: int) -> list[tuple[Tensor, Tensor]]:
        """Of the plain run's positions before `end`, by layer."""
        return [(layer.keys[:, :, :end], layer.values[:, :, :end]) for layer in self._past.layers]
